# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Controller side of zipapp: packs a program's files into one, always with the same bytes, and installs it."""

from __future__ import annotations

import base64
import io
import typing as t
import zipfile
from pathlib import Path, PurePosixPath

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

Result = dict[str, t.Any]
ARGUMENTS = {
    "main": {"type": "str", "required": True},
    "files": {"type": "dict", "required": True},
    "dest": {"type": "path", "required": True},
}
# The earliest time that a zip supports, so that the time of a checkout does not change the program.
TIME = (1980, 1, 1, 0, 0, 0)
MAIN = """import runpy

runpy.run_module({main!r}, run_name="__main__")
"""


def gather(files: dict[str, str]) -> dict[str, bytes]:
    """Return name in the program to content; `files`: name to a file, or to a folder with Python files.

    Every package gets an `__init__.py`, because Python needs it in a zip. Raises OSError for a missing file.
    """
    found: dict[str, bytes] = {}
    for name, place in files.items():
        path = Path(place)
        if path.is_dir():
            found |= {f"{name}/{one.relative_to(path)}": one.read_bytes() for one in path.rglob("*.py")}
        else:
            found[name] = path.read_bytes()
    packages = {str(parent) for name in found for parent in PurePosixPath(name).parents[:-1]}
    return {f"{package}/__init__.py": b"" for package in packages} | found


def pack(files: dict[str, bytes], main: str) -> bytes:
    """Return the program: a zip of `files`, name to content, that runs the module `main`."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in sorted({**files, "__main__.py": MAIN.format(main=main).encode()}.items()):
            archive.writestr(zipfile.ZipInfo(name, TIME), content, zipfile.ZIP_DEFLATED)
    return stream.getvalue()


class ActionModule(ActionBase):  # type: ignore[misc]  # Ansible is not typed
    """Packs the program, and installs it with the module files."""

    TRANSFERS_FILES = False
    _VALID_ARGS = frozenset(ARGUMENTS)

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> Result:
        """Return the result of the module."""
        super().run(tmp, task_vars)
        _spec, given = self.validate_argument_spec(ARGUMENTS)
        try:
            packed = pack(gather(given["files"]), given["main"])
        except OSError as error:
            raise AnsibleActionFail(f"files: {error}") from error
        dest = PurePosixPath(given["dest"])
        files = [
            {"path": str(dest.parent), "state": "directory"},
            {"path": str(dest), "content_base64": base64.b64encode(packed).decode()},
        ]
        return dict(self._execute_module("swissphoto.silo.files", {"files": files}, task_vars=task_vars))
