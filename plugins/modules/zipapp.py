#!/usr/bin/python
# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: zipapp
short_description: Install a program of several Python files on a host as one file
version_added: 0.1.0
author:
  - SwissPhoto (@swissphoto)
description:
  - Packs the files on the controller and writes the result by one call of M(swissphoto.silo.files).
  - The same files give the same bytes, so a program that is installed already is not a change.
  - This is an action plugin; the module of this name only documents it.
attributes:
  check_mode:
    description: As M(swissphoto.silo.files).
    support: full
  diff_mode:
    description: As M(swissphoto.silo.files), which shows only that the binary file changes.
    support: partial
options:
  main:
    description: The module that the program runs.
    type: str
    required: true
  files:
    description:
      - Name in the program to its path on the controller, a file or a folder.
      - From a folder, all files that end in C(.py) are packed.
    type: dict
    required: true
  dest:
    description: The path of the program. Root owns it, and all users can read it. The module creates its directory.
    type: path
    required: true
"""

EXAMPLES = r"""
- name: Install the program
  swissphoto.silo.zipapp:
    main: silo_accounting
    files:
      silo_accounting: "{{ role_path }}/../../server/silo_accounting"
    dest: /usr/local/lib/silo/accounting.pyz
"""

RETURN = r"""
paths:
  description: As M(swissphoto.silo.files) returns it.
  returned: success
  type: list
  elements: str
"""
