#!/usr/bin/python
# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: ssh_info
short_description: Read the SSH settings of a server, and whether its user has a key
version_added: 0.1.0
author:
  - SwissPhoto (@swissphoto)
description:
  - Reads the output of C(sshd -T), and looks for a key of the user who logged in by SSH to run this module.
  - Changes nothing, and returns no key.
extends_documentation_fragment: swissphoto.silo.reads
seealso:
  - module: swissphoto.silo.diagnostics_info
"""

EXAMPLES = r"""
- name: Read the SSH settings
  swissphoto.silo.ssh_info:
  register: ssh
"""

RETURN = r"""
present:
  description: Whether there is an SSH server.
  returned: success
  type: bool
ports:
  description: Its ports, and the port of this connection, which differs if systemd listens for it.
  returned: success
  type: list
  elements: int
  sample: [22]
wrong:
  description: The settings that allow a login without a key.
  returned: success
  type: list
  elements: str
  sample: ["passwordauthentication yes"]
user:
  description: The user who logged in; root without an SSH connection.
  returned: success
  type: str
  sample: root
has_key:
  description: Whether that user can log in with a key.
  returned: success
  type: bool
key_files:
  description: The files in which sshd looks for keys of that user.
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
        module.fail_json(msg=f"the SSH settings cannot be read: {error}")
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
