"""Private photo clouds, one per customer: inventory, capacity and command line."""

import sys

from silo.runner import ROOT

# The collection of this repository, of which the schema of a tenant and the ledger's sums are used here too.
if str(ROOT / "collections") not in sys.path:
    sys.path.append(str(ROOT / "collections"))
