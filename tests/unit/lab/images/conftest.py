"""The programs of the images are packages of their own, each with its directory as the root.

What they have of Debian and this environment has not, the drivers of PostgreSQL and of Valkey, is an empty shell here.
"""

import sys
from pathlib import Path

_IMAGES = Path(__file__).parents[3] / "lab" / "images"
for _name in ("immich-server", "immich-machine-learning"):
    sys.path.insert(0, str(_IMAGES / _name))
sys.path.append(str(Path(__file__).parent / "drivers"))
