#!/usr/bin/python
# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: diagnostics_info
short_description: Check a server and its tenants
version_added: 0.1.0
author:
  - SwissPhoto (@swissphoto)
description:
  - Runs a selection of checks on a server, in one call.
  - V(preflight) checks whether the server can carry tenants - the NAS, the firewall, the network, open ports and SSH -
    and reads the clock and the disks.
  - V(verify) checks that each tenant is as the inventory says. What bounds a process, a container's mounts and its
    limits are read from the kernel. From the network of each container, connections are tried to every other tenant, to
    the server, to the NAS and to the cloud's metadata. They are closed at once, and nothing is sent.
  - No secret leaves the server, nor is one sent to it. A NAS that hangs is given up after 5 seconds.
  - An action plugin adds what the inventory expects to O(expected).
extends_documentation_fragment: swissphoto.silo.reads
options:
  selection:
    description: Which checks to run.
    type: str
    choices: [preflight, verify]
    required: true
  server:
    description: The server's name in the inventory, where a tenant is the host of the task.
    type: str
  names:
    description: The tenants to verify; none for all that the inventory has on this server.
    type: list
    elements: str
    default: []
  expected:
    description:
      - What the inventory expects. The action plugin sets the tenants and the policy of the server; what is set here
        counts more, except for the tenants.
      - V(directories) are paths whose file systems V(preflight) reads, beside that of Docker.
      - V(shared) are the shared services, each with V(name), V(container), V(image), V(memory), V(uid),
        V(processes), V(memory_order), V(writable) and V(port).
      - V(patience) is for how many seconds a connection is waited for.
    type: dict
    default: {}
seealso:
  - module: swissphoto.silo.storage_quota_info
"""

EXAMPLES = r"""
- name: Check that a server can carry tenants
  swissphoto.silo.diagnostics_info:
    selection: preflight
    expected:
      directories: [/, /srv/silo]
  register: preflight

- name: Verify a tenant
  swissphoto.silo.diagnostics_info:
    selection: verify
    names: [hans]
  register: verified
"""

RETURN = r"""
findings:
  description: The results of the checks.
  returned: success
  type: list
  elements: dict
  contains:
    id:
      description: The check.
      type: str
      sample: memory
    subject:
      description: What was checked; a container, a tenant or the server.
      type: str
      sample: hans/server
    state:
      description: V(ok), V(warning), V(wrong) or V(unknown).
      type: str
      sample: wrong
    message:
      description: What is now.
      type: str
      sample: "2G; expected: 1G"
    fix:
      description: What to do; empty where the state is V(ok).
      type: str
      sample: "run 'silo apply hans'"
    expected:
      description: What should be, where two values are compared.
      type: str
      sample: 1G
    seen:
      description: What is, where two values are compared.
      type: str
      sample: 2G
facts:
  description:
    - What V(preflight) reads for the controller to compare; empty for V(verify).
    - V(time) is the clock in seconds since 1970, V(synchronised) whether the kernel knows that it is kept right,
      V(disks) the file systems, with sizes in bytes.
  returned: success
  type: dict
  sample:
    time: 1795451640.25
    synchronised: true
    disks:
      - path: /
        size: 1000000000
        free: 500000000
        inodes: 65536
        inodes_free: 60000
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.command import CommandError, module_runner
from ..module_utils.diagnostics import engine
from ..module_utils.diagnostics.expected import ExpectedError, parse
from ..module_utils.diagnostics.subjects import Server
from ..module_utils.tenant.stack import StackError

ARGUMENTS = {
    "selection": {"type": "str", "choices": ["preflight", "verify"], "required": True},
    "server": {"type": "str"},
    "names": {"type": "list", "elements": "str", "default": []},
    "expected": {"type": "dict", "default": {}},
}


def main() -> None:
    module = AnsibleModule(ARGUMENTS, supports_check_mode=True)
    selection = module.params["selection"]
    try:
        server = Server(parse(module.params["expected"]), module_runner(module))
        findings = engine.run(selection, server)
        facts = engine.facts(server) if selection == "preflight" else {}
    except ExpectedError as error:
        module.fail_json(msg=f"expected: {error}")
    except (StackError, CommandError, OSError, LookupError, ValueError, TypeError) as error:
        module.fail_json(msg=f"this server cannot be checked: {' '.join(str(error).split()) or repr(error)}")
    module.exit_json(changed=False, findings=[finding.as_dict() for finding in findings], facts=facts)


if __name__ == "__main__":
    main()
