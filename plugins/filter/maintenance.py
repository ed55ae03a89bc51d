# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The maintenance that is on at a server, for the templates of roles, and what its pages say."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping, Sequence

from ansible.errors import AnsibleFilterError
from ansible_collections.swissphoto.silo.plugins.module_utils.controller import SiloImports

SILO = SiloImports()
with SILO:
    from silo.maintenance import MaintenanceError, files, of_server

Notices = Sequence[Mapping[str, t.Any]]


def maintenance(
    said: object, server: str, groups: Mapping[str, Sequence[str]], hostvars: Mapping[str, Mapping[str, t.Any]]
) -> list[dict[str, t.Any]]:
    """Return what silo.maintenance.of_server does; fails with a sentence for a wrong silo_maintenance."""
    SILO.require(AnsibleFilterError)
    try:
        return of_server(said, server, groups, hostvars)
    except MaintenanceError as error:
        raise AnsibleFilterError(str(error)) from error


def maintenance_files(notices: Notices, words: Mapping[str, Mapping[str, t.Any]], folder: str) -> list[dict[str, str]]:
    """Return path and content of the files of the pages, in `folder`."""
    SILO.require(AnsibleFilterError)
    return files(notices, words, folder)


class FilterModule:
    """The filters, by the names that roles use."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Return name to function."""
        return {"maintenance": maintenance, "maintenance_files": maintenance_files}
