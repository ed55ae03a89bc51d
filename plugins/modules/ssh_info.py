#!/usr/bin/python
# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: ssh_info
short_description: How SSH is set on a server, and who would be locked out without passwords
version_added: 0.1.0
author:
  - SwissPhoto (@swissphoto)
description:
  - Reads what C(sshd -T) tells, and looks for a key of the user by whom this module was called over SSH.
  - Nothing is changed, and no key is returned.
extends_documentation_fragment: swissphoto.silo.reads
seealso:
  - module: swissphoto.silo.diagnostics_info
"""

EXAMPLES = r"""
- name: Look at SSH
  swissphoto.silo.ssh_info:
  register: ssh
"""

RETURN = r"""
present:
  description: Whether there is an SSH server.
  returned: success
  type: bool
ports:
  description: Where it listens, and where this module was called, which is another one where systemd listens for it.
  returned: success
  type: list
  elements: int
  sample: [22]
wrong:
  description: The settings by which somebody gets in without a key.
  returned: success
  type: list
  elements: str
  sample: ["passwordauthentication yes"]
user:
  description: Who logged in; root where this was not called over SSH.
  returned: success
  type: str
  sample: root
has_key:
  description: Whether that user can log in by a key.
  returned: success
  type: bool
key_files:
  description: Where the keys of that user are looked for.
  returned: success
  type: list
  elements: str
  sample: [/root/.ssh/authorized_keys]
"""

import pwd

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.command import CommandError, module_runner
from ..module_utils.diagnostics import ssh


def main() -> None:
    module = AnsibleModule({}, supports_check_mode=True)
    called = ssh.session()
    try:
        user = pwd.getpwuid(called.uid if called else 0)
        found = ssh.settings(module_runner(module))
    except (CommandError, KeyError) as error:
        module.fail_json(msg=f"SSH cannot be looked at: {error}")
    ports = {*(found.ports if found else ()), *((called.port,) if called else ())}
    module.exit_json(
        changed=False,
        present=found is not None,
        ports=sorted(ports),
        wrong=list(found.wrong) if found else [],
        user=user.pw_name,
        has_key=bool(found and found.has_key(user)),
        key_files=[str(path) for path in found.key_files(user)] if found else [],
    )


if __name__ == "__main__":
    main()
