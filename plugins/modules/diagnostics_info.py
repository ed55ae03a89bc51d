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
  - V(preflight) checks whether the server is ready for tenants (NAS, firewall, network, open ports and SSH), and reads
    the clock and the disks.
  - V(verify) checks that each tenant is as the inventory says. It reads the restrictions of each process, mounts and
    limits from the kernel. From the network of each container, it tries to connect to every other tenant, to the
    server, to the NAS and to a cloud's metadata. It closes connections at once and sends nothing.
  - No secret is sent to or from the server. A NAS that hangs is a finding after 5 seconds.
  - An action plugin adds what the inventory expects to O(expected).
extends_documentation_fragment: swissphoto.silo.reads
options:
  selection:
    description: Which checks to run.
    type: str
    choices: [preflight, verify]
    required: true
  server:
    description: The server's name in the inventory, if a tenant is the host of the task.
    type: str
  names:
    description: The tenants to verify; an empty list for all tenants of this server in the inventory.
    type: list
    elements: str
    default: []
  expected:
    description:
      - The expected state. The action plugin sets the tenants and the policy of the server; values of this option take
        precedence, except for the tenants.
      - V(directories) are paths whose file systems V(preflight) reads, in addition to that of Docker.
      - V(shared) are the shared services, each with V(name), V(container), V(image), V(memory), V(uid),
        V(processes), V(memory_order), V(open_files), V(writable) and V(port).
      - V(patience) is how many seconds to wait for a connection.
    type: dict
    default: {}
  file_systems:
    description:
      - File systems of tenants to read in the same call, each with the options of
        M(swissphoto.silo.storage_quota_info).
      - One that cannot be read is no failure of the call, but of its own result.
    type: dict
    default: {}
seealso:
  - module: swissphoto.silo.storage_quota_info
"""

EXAMPLES = r"""
- name: Check that a server is ready for tenants
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
      description: The examined container, tenant or server.
      type: str
      sample: hans/server
    state:
      description: V(ok), V(warning), V(wrong) or V(unknown).
      type: str
      sample: wrong
    message:
      description: What the check found.
      type: str
      sample: "2G; expected: 1G"
    fix:
      description: What to do; empty if the state is V(ok).
      type: str
      sample: "run 'silo apply hans'"
    expected:
      description: The expected value, if the check compares two.
      type: str
      sample: 1G
    seen:
      description: The actual value, if the check compares two.
      type: str
      sample: 2G
parts:
  description:
    - Each of O(file_systems) to the result of M(swissphoto.silo.storage_quota_info).
    - They are returned also if the server cannot be checked.
  returned: always
  type: dict
facts:
  description:
    - Values of V(preflight) that the controller compares; empty for V(verify).
    - V(time) is the clock in seconds since 1970, V(synchronised) whether the kernel considers it synchronised, V(disks)
      the file systems, with sizes in bytes.
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

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ..module_utils.command import CommandError, module_runner
from ..module_utils.diagnostics import engine
from ..module_utils.diagnostics.expected import ExpectedError, parse
from ..module_utils.diagnostics.subjects import Server
from ..module_utils.quota.detect import PLACE
from ..module_utils.quota.inspection import inspect
from ..module_utils.tenant.stack import StackError

ARGUMENTS = {
    "selection": {"type": "str", "choices": ["preflight", "verify"], "required": True},
    "server": {"type": "str"},
    "names": {"type": "list", "elements": "str", "default": []},
    "expected": {"type": "dict", "default": {}},
    "file_systems": {"type": "dict", "default": {}},
}


def _read(module: AnsibleModule, name: str, given: dict[str, t.Any]) -> dict[str, t.Any]:
    """Return the limits and the usage on a file system of tenants."""
    valid = ArgumentSpecValidator(PLACE).validate(given)
    if valid.error_messages:
        module.fail_json(msg=f"file_systems: {name}: {'; '.join(valid.error_messages)}")
    return inspect(valid.validated_parameters, module_runner(module))


def main() -> None:
    module = AnsibleModule(ARGUMENTS, supports_check_mode=True)
    selection = module.params["selection"]
    parts = {name: _read(module, name, given) for name, given in module.params["file_systems"].items()}
    try:
        server = Server(parse(module.params["expected"]), module_runner(module))
        findings = engine.run(selection, server)
        facts = engine.facts(server) if selection == "preflight" else {}
    except ExpectedError as error:
        module.fail_json(msg=f"expected: {error}", parts=parts)
    except (StackError, CommandError, OSError, LookupError, ValueError, TypeError) as error:
        text = " ".join(str(error).split()) or repr(error)
        module.fail_json(msg=f"this server cannot be checked: {text}", parts=parts)
    found = [finding.as_dict() for finding in findings]
    module.exit_json(changed=False, findings=found, facts=facts, parts=parts)


if __name__ == "__main__":
    main()
