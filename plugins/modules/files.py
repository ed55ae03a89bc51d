#!/usr/bin/python
# Copyright (c) 2026 SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: files
short_description: Manage the directories and small files of a role, all in one call
description:
  - Replaces C(ansible.builtin.file), C(ansible.builtin.copy) and C(ansible.builtin.template), which need one or two
    calls for each file, by one call for all files.
  - The module manages the files in the order of the list. It stops at the first failure; changes before it remain.
version_added: 0.1.0
author:
  - SwissPhoto (@swissphoto)
attributes:
  check_mode:
    description: Can run in check mode and return what it would change.
    support: full
  diff_mode:
    description: Returns the changes, before and after; for a binary file, only that it changes.
    support: full
  idempotent:
    description: A second run changes nothing.
    support: full
options:
  files:
    description: The desired files and directories.
    type: list
    elements: dict
    required: true
    suboptions:
      path:
        description: The path.
        type: path
        required: true
      state:
        description: V(directory) also creates its parents. V(absent) removes a file, but no directory.
        type: str
        choices: [file, directory, absent]
        default: file
      content:
        description: The text of a file.
        type: str
      content_base64:
        description: The bytes of a binary file.
        type: str
      owner:
        description: Name or number of the user who owns it.
        type: str
        default: root
      group:
        description: Name or number of its group.
        type: str
        default: root
      mode:
        description: Its permissions; by default C(0644) for a file and C(0755) for a directory.
        type: str
      validate:
        description: A command that fails for an invalid file, run before the file is installed. C(%s) stands for the
          file.
        type: str
"""

EXAMPLES = r"""
- name: Write the units of the service and its settings
  swissphoto.silo.files:
    files:
      - {path: /etc/silo, state: directory}
      - path: /etc/silo/settings.json
        content: "{{ settings | to_nice_json }}\n"
        mode: "0600"
      - path: /etc/systemd/system/silo.service
        content: "{{ lookup('ansible.builtin.template', 'silo.service.j2') }}"
"""

RETURN = r"""
paths:
  description: The paths that were changed, created or removed.
  type: list
  elements: str
  returned: success
  sample: [/etc/silo/settings.json]
"""

import base64
import os
import tempfile
import typing as t
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.swissphoto.silo.plugins.module_utils.common.files import sync

FILE = {
    "path": {"type": "path", "required": True},
    "state": {"type": "str", "choices": ["file", "directory", "absent"], "default": "file"},
    "content": {"type": "str"},
    "content_base64": {"type": "str"},
    "owner": {"type": "str", "default": "root"},
    "group": {"type": "str", "default": "root"},
    "mode": {"type": "str"},
    "validate": {"type": "str"},
}
ARGUMENTS = {
    "files": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": FILE,
        "mutually_exclusive": [("content", "content_base64")],
        "required_if": [("state", "file", ("content", "content_base64"), True)],
    }
}
MODES = {"file": "0644", "directory": "0755"}
# Ansible's own limit of a diff.
MAX_SHOWN = 104448

Entry = dict[str, t.Any]
Diff = dict[str, t.Any]


class Files:
    """Manages the entries one after the other, and records the changes."""

    def __init__(self, module: AnsibleModule) -> None:
        """Start without changes."""
        self.module = module
        self.paths: list[str] = []
        self.diffs: list[Diff] = []

    def manage(self, entry: Entry) -> None:
        """Bring one file or directory to its desired state."""
        path = Path(entry["path"])
        if entry["state"] == "absent":
            self._remove(path)
        elif entry["state"] == "directory":
            self._make(path, entry)
        else:
            self._write(path, _content(entry), entry)

    def _changed(self, path: Path, before: object, after: object) -> None:
        header = str(path)
        self.paths.append(header)
        self.diffs.append({"before_header": header, "after_header": header, "before": before, "after": after})

    def _remove(self, path: Path) -> None:
        if path.is_dir() and not path.is_symlink():
            self.module.fail_json(msg=f"{path} is a directory; this module removes files only")
        if not os.path.lexists(path):
            return
        self._changed(path, "file\n", "absent\n")
        if not self.module.check_mode:
            path.unlink()

    def _make(self, path: Path, entry: Entry) -> None:
        if os.path.lexists(path) and not path.is_dir():
            self.module.fail_json(msg=f"{path} exists, and is not a directory")
        for directory in (*reversed(path.parents), path):
            if not directory.exists():
                self._changed(directory, "absent\n", "directory\n")
                if not self.module.check_mode:
                    directory.mkdir()
                # A service must be able to reach its files, whatever root's umask is.
                self._attributes(directory, entry)
        self._attributes(path, entry)

    def _write(self, path: Path, content: bytes, entry: Entry) -> None:
        if path.is_dir():
            self.module.fail_json(msg=f"{path} is a directory, and should be a file")
        before = path.read_bytes() if path.is_file() else None
        if before != content or path.is_symlink():
            self._changed(path, _shown(before), _shown(content))
            if not self.module.check_mode:
                self._replace(path, content, entry["validate"])
        self._attributes(path, entry)

    def _replace(self, path: Path, content: bytes, validate: str | None) -> None:
        """Validate a file, and install it atomically."""
        handle, scratch = tempfile.mkstemp(dir=self.module.tmpdir)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        if validate:
            code, out, err = self.module.run_command(validate.replace("%s", scratch))
            if code:
                self.module.fail_json(
                    msg=f"{path} was not changed, because its new content is invalid: {(err or out).strip()}"
                )
        self.module.atomic_move(scratch, str(path))
        # atomic_move keeps the SELinux context, but does not flush the file to disk.
        sync(path)

    def _attributes(self, path: Path, entry: Entry) -> None:
        """Set owner, group and mode; in check mode, a new file has none."""
        if not path.exists():
            return
        wanted = {"path": str(path), "owner": entry["owner"], "group": entry["group"]}
        wanted["mode"] = entry["mode"] or MODES[entry["state"]]
        diff: Diff = {}
        arguments = self.module.load_file_common_arguments(wanted)
        changed = self.module.set_fs_attributes_if_different(arguments, False, diff)
        # A new file, or one with new content, is already in the diff.
        if changed and str(path) not in self.paths:
            self._changed(path, diff.get("before", {}), diff.get("after", {}))


def _content(entry: Entry) -> bytes:
    if entry["content_base64"] is not None:
        return base64.b64decode(entry["content_base64"])
    return str(entry["content"]).encode()


def _shown(content: bytes | None) -> str:
    """Return the text of a file in a diff."""
    if content is None:
        return ""
    if len(content) > MAX_SHOWN:
        return f"a file of {len(content)} bytes\n"
    try:
        return content.decode()
    except UnicodeDecodeError:
        return f"a binary file of {len(content)} bytes\n"


def main() -> None:
    module = AnsibleModule(ARGUMENTS, supports_check_mode=True)
    files = Files(module)
    try:
        for entry in module.params["files"]:
            files.manage(entry)
    except OSError as error:
        module.fail_json(msg=f"{error.filename or 'a file'}: {(error.strerror or str(error)).lower()}")
    module.exit_json(changed=bool(files.paths), paths=files.paths, diff=files.diffs)


if __name__ == "__main__":
    main()
