# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Imports of the package silo, which exists on the controller only, in action plugins."""

from __future__ import annotations

import types

from ansible.module_utils.basic import missing_required_lib


class SiloImports:
    """A block of imports that may fail when a plugin is loaded, because Ansible loads plugins that it does not run."""

    def __init__(self) -> None:
        """Start without an error."""
        self._error: ImportError | None = None

    def __enter__(self) -> SiloImports:
        """Begin the imports."""
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, error: BaseException | None, _trace: types.TracebackType | None
    ) -> bool:
        """Keep an ImportError for `require`."""
        self._error = error if isinstance(error, ImportError) else None
        return self._error is not None

    def require(self, failure: type[Exception]) -> None:
        """Raise `failure` with Ansible's usual message if the imports failed."""
        if self._error:
            raise failure(missing_required_lib("silo", reason="make setup installs it")) from self._error
