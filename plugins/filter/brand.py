# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The brand for the templates of roles: checked, with the colours of texts on its own, and the logo as a data: URL."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.swissphoto.silo.plugins.module_utils.controller import SiloImports

SILO = SiloImports()
with SILO:
    from silo.brand import BrandError, shown


def brand(said: object) -> dict[str, t.Any]:
    """Return what silo.brand.Brand has of the values in an inventory; fails with a sentence for a wrong one."""
    SILO.require(AnsibleFilterError)
    try:
        return shown(said)
    except BrandError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """The filter, by the name that roles use."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Return name to function."""
        return {"brand": brand}
