#!/usr/bin/python
# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: server_check_info
short_description: Whether a server can carry tenants - clock, disks, storage, firewall, network, SSH
version_added: 0.1.0
author:
  - SwissPhoto (@swissphoto)
description:
  - Reads the clock and who keeps it, the room of the disks, whether the NAS is there, whether the firewall is
    loaded, and who gets in.
  - Compares the tenants' addresses with the server's routes, where a LAN or a VPN may have them already.
  - A NAS that hangs is given up after 5 seconds.
extends_documentation_fragment: swissphoto.silo.reads
options:
  sentinel:
    description: A file that exists on the NAS alone, where it is mounted.
    type: path
    required: true
  directories:
    description: Directories whose file systems are looked at, beside that of Docker.
    type: list
    elements: path
    default: [/]
  firewall:
    description: The file with the rules that keep tenants away from each other.
    type: path
    default: /etc/silo/firewall.nft
  pool:
    description: The network out of which tenants get theirs, such as V(10.83.0.0/16); empty where it is not compared.
    type: str
    default: ""
  closed:
    description: Whether the server should be closed to new connections, but for what it offers.
    type: bool
    default: true
  ssh_keys_only:
    description: Whether SSH should take keys alone.
    type: bool
    default: true
seealso:
  - module: swissphoto.silo.storage_quota_info
"""

EXAMPLES = r"""
- name: Look at a server
  swissphoto.silo.server_check_info:
    sentinel: /instances/.silo-nas
    directories: [/, /srv/silo]
  register: ground
"""

RETURN = r"""
time:
  description: The server's clock, in seconds since 1970.
  returned: always
  type: float
  sample: 1795451640.25
synchronised:
  description: Whether the kernel knows that its clock is kept right.
  returned: always
  type: bool
storage_problem:
  description: Why the NAS cannot be used; empty where it can.
  returned: always
  type: str
firewall_problem:
  description: Why the firewall does not hold; empty where it does.
  returned: always
  type: str
network_problem:
  description: Which other network has addresses of O(pool); empty where none has.
  returned: always
  type: str
input_problem:
  description: Why the server is open to more than it offers; empty where it is not, or may be.
  returned: always
  type: str
ssh_problem:
  description: How one gets in by SSH without a key; empty where one does not, or may.
  returned: always
  type: str
disks:
  description: The file systems, each once; sizes in bytes.
  returned: always
  type: list
  elements: dict
  sample:
    - path: /
      size: 1000000000
      free: 500000000
      inodes: 65536
      inodes_free: 60000
"""

import dataclasses
import time
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.command import CommandError, module_runner
from ..module_utils.diagnostics import snapshot, ssh
from ..module_utils.tenant import probe

ARGUMENTS = {
    "sentinel": {"type": "path", "required": True},
    "directories": {"type": "list", "elements": "path", "default": ["/"]},
    "firewall": {"type": "path", "default": "/etc/silo/firewall.nft"},
    "pool": {"type": "str", "default": ""},
    "closed": {"type": "bool", "default": True},
    "ssh_keys_only": {"type": "bool", "default": True},
}


def main() -> None:
    module = AnsibleModule(ARGUMENTS, supports_check_mode=True)
    values, runner = module.params, module_runner(module)
    try:
        storage = probe.look(Path(values["sentinel"]))
        firewall = snapshot.firewall_problem(runner, Path(values["firewall"]))
        network = snapshot.network_problem(runner, values["pool"])
        opened = snapshot.input_problem(runner) if values["closed"] else ""
        keyless = ssh.problem(runner) if values["ssh_keys_only"] else ""
        disks = snapshot.disks([*values["directories"], snapshot.docker_directory(runner)])
    except (CommandError, OSError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(
        changed=False,
        synchronised=snapshot.synchronised(),
        storage_problem=storage.problem,
        firewall_problem=firewall,
        network_problem=network,
        input_problem=opened,
        ssh_problem=keyless,
        disks=[dataclasses.asdict(disk) for disk in disks],
        time=time.time(),
    )


if __name__ == "__main__":
    main()
