#!/usr/bin/python
# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: tenant_verify_info
short_description: Whether what is promised to the tenants of a server holds
version_added: 0.1.0
author:
  - SwissPhoto (@swissphoto)
description:
  - Looks from outside at the containers of all tenants of a server, and of the shared services, in one call.
  - What bounds a process, a container's mounts and its limits are read where the kernel tells them.
  - From the network of each container, connections are tried to every other tenant, to the server, to the NAS and to
    the cloud's metadata. They are closed at once, and nothing is sent.
  - No secret leaves the server, nor is one sent to it.
  - An action plugin makes O(known) and what each tenant should be of the inventory.
extends_documentation_fragment: swissphoto.silo.reads
options:
  server:
    description: The server's name in the inventory.
    type: str
  names:
    description: The tenants to look at; none for all that the inventory has on this server.
    type: list
    elements: str
    default: []
  known:
    description: All tenants that the inventory has on this server; set by the action plugin.
    type: list
    elements: str
    default: []
  shared:
    description: The shared services.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: How it is told.
        type: str
        required: true
      container:
        description: The name of its container.
        type: str
        required: true
      image:
        description: Its image, by digest.
        type: str
        required: true
      memory:
        description: Its limit, such as V(512M).
        type: str
        required: true
      uid:
        description: Its user.
        type: int
        required: true
      processes:
        description: How many processes and threads it may have.
        type: int
        required: true
      memory_order:
        description: Who has more is ended first where the server is short of memory.
        type: int
        required: true
      writable:
        description: Where in the container it may write.
        type: list
        elements: str
        required: true
      port:
        description: The TCP port at which it listens on a network of its own; V(0) for who is on the server's.
        type: int
        required: true
  tenants:
    description: What each tenant should be; set by the action plugin.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: The tenant.
        type: str
        required: true
      state:
        description: What it should be.
        type: str
        choices: [running, stopped, suspended, absent]
        required: true
      uid:
        description: The user of its containers.
        type: int
        required: true
      directory:
        description: Its directory on the server.
        type: path
        required: true
      storage:
        description: Its directory on the NAS.
        type: path
        required: true
      gateway:
        description: The server's address on its network.
        type: str
        required: true
      bridge:
        description: The server's interface on its network.
        type: str
        required: true
      services:
        description: Its containers.
        type: list
        elements: dict
        required: true
        suboptions:
          name:
            description: The service.
            type: str
            required: true
          image:
            description: Its image, by digest.
            type: str
            required: true
          memory:
            description: Its limit in bytes.
            type: int
            required: true
          processes:
            description: How many processes and threads it may have.
            type: int
            required: true
          memory_order:
            description: Who has more is ended first where the server is short of memory.
            type: int
            required: true
          writable:
            description: Where in the container it may write.
            type: list
            elements: str
            required: true
          address:
            description: Its address on the tenant's network.
            type: str
            required: true
          port:
            description: The TCP port at which it listens; V(0) where it listens nowhere.
            type: int
            required: true
      secrets:
        description: The files of its secrets.
        type: list
        elements: str
        required: true
      passwords:
        description: Those of O(tenants[].secrets) of which each is a password, and nothing else.
        type: list
        elements: str
        required: true
      configuration:
        description: The other files of its directory that its containers mount.
        type: list
        elements: str
        required: true
      folders:
        description: The folders of its directory in which its containers keep data.
        type: list
        elements: str
        required: true
  ports:
    description: The TCP ports at which containers of tenants listen; set by the action plugin.
    type: list
    elements: int
    default: []
  sentinel:
    description: A file that exists on the NAS alone, where it is mounted.
    type: path
    default: /instances/.silo-nas
  firewall:
    description: The file with the rules that keep tenants away from each other.
    type: path
    default: /etc/silo/firewall.nft
  closed:
    description: Whether the server should be closed to new connections, but for what it offers.
    type: bool
    default: true
  ssh_keys_only:
    description: Whether SSH should take keys alone.
    type: bool
    default: true
  seccomp:
    description: The file with the rules of what a tenant's processes may ask of the kernel; set by the action plugin.
    type: path
    default: /etc/silo/seccomp-1.json
  patience:
    description: For how many seconds a connection is waited for; what is open on a server itself is so at once.
    type: float
    default: 1.0
  machine_learning_port:
    description: The port on a tenant's own gateway at which the machine learning answers.
    type: int
    default: 3003
seealso:
  - module: swissphoto.silo.server_check_info
  - module: swissphoto.silo.storage_quota_info
"""

EXAMPLES = r"""
- name: Verify a server
  swissphoto.silo.tenant_verify_info:
    names: [hans]
    sentinel: /instances/.silo-nas
  register: audit
"""

RETURN = r"""
checks:
  description: What was looked at, and whether it is as it should be.
  returned: success
  type: list
  elements: dict
  sample:
    - check: memory
      subject: hans/server
      ok: true
      seen: 1G
      expected: 1G
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.command import CommandError, module_runner
from ..module_utils.diagnostics import audit, expected
from ..module_utils.size import SizeError, parse_size
from ..module_utils.tenant.stack import StackError


def _argument_spec() -> dict[str, t.Any]:
    text, number = {"type": "str", "required": True}, {"type": "int", "required": True}
    path = {"type": "path", "required": True}
    service = {
        "name": text,
        "image": text,
        "memory": number,
        "processes": number,
        "memory_order": number,
        "writable": {"type": "list", "elements": "str", "required": True},
        "address": text,
        "port": number,
    }
    tenant = {
        "name": text,
        "state": {**text, "choices": ["running", "stopped", "suspended", "absent"]},
        "uid": number,
        "directory": path,
        "storage": path,
        "gateway": text,
        "bridge": text,
        "services": {"type": "list", "elements": "dict", "options": service, "required": True},
        **dict.fromkeys(("secrets", "passwords", "configuration", "folders"), service["writable"]),
    }
    shared = {
        **{key: text for key in ("name", "container", "image", "memory")},
        **{key: number for key in ("uid", "processes", "memory_order", "port")},
        "writable": service["writable"],
    }
    return {
        "server": {"type": "str"},
        "names": {"type": "list", "elements": "str", "default": []},
        "known": {"type": "list", "elements": "str", "default": []},
        "shared": {"type": "list", "elements": "dict", "options": shared, "default": []},
        "tenants": {"type": "list", "elements": "dict", "options": tenant, "default": []},
        "ports": {"type": "list", "elements": "int", "default": []},
        "sentinel": {"type": "path", "default": "/instances/.silo-nas"},
        "firewall": {"type": "path", "default": "/etc/silo/firewall.nft"},
        "closed": {"type": "bool", "default": True},
        "ssh_keys_only": {"type": "bool", "default": True},
        "seccomp": {"type": "path", "default": "/etc/silo/seccomp-1.json"},
        "patience": {"type": "float", "default": 1.0},
        "machine_learning_port": {"type": "int", "default": 3003},
    }


def main() -> None:
    module = AnsibleModule(_argument_spec(), supports_check_mode=True)
    try:
        shared = [{**item, "memory": parse_size(item["memory"])} for item in module.params["shared"]]
        checks = audit.audit(expected.parse({**module.params, "shared": shared}), module_runner(module))
    except SizeError as error:
        module.fail_json(msg=f"shared: memory: {error}")
    except (StackError, CommandError, OSError, LookupError, ValueError, TypeError) as error:
        module.fail_json(msg=f"this server cannot be looked at: {' '.join(str(error).split()) or repr(error)}")
    module.exit_json(changed=False, checks=audit.as_facts(checks))


if __name__ == "__main__":
    main()
