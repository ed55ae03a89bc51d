#!/usr/bin/python
# Copyright (c) 2026 SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: seccomp_profile
short_description: Write Docker's own seccomp profile without the calls that escape a storage quota
description:
  - By some requests of C(ioctl), the owner of a file can take it out of the quota of its directory, and every user can
    create a btrfs subvolume in a directory that they own. A container under this profile cannot.
  - Apart from that, it is the default profile of the installed engine for a container without capabilities. The module
    reads it from a container that it starts for this, without network, and removes again.
  - The module rewrites it when the version of the engine, of its runtime, or of this module's own rules changes.
version_added: 0.1.0
author:
  - SwissPhoto (@swissphoto)
requirements:
  - Docker Engine, and the tool C(ctr) of containerd.
attributes:
  check_mode:
    description: Can run in check mode and return what it would change.
    support: full
  diff_mode:
    description: Returns the changes, before and after.
    support: full
    details: The versions that the profile depends on; the profile itself is too long.
  idempotent:
    description: A second run changes nothing.
    support: full
options:
  path:
    description: The profile. The versions that it depends on are written beside it, to C(<path>.made-of).
    type: path
    required: true
  image:
    description: An image with C(sleep), for the temporary container.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Write a profile that keeps tenants in their quota
  swissphoto.silo.seccomp_profile:
    path: /etc/silo/seccomp-1.json
    image: docker.io/valkey/valkey:9
"""

RETURN = r"""
made_of:
  description: The versions that the profile depends on.
  type: str
  returned: always
  sample: Engine 26.1.5+dfsg1, containerd 1.7.24, runc 1.1.15, rules 5f1a09c3
"""

import json
import typing as t
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.swissphoto.silo.plugins.module_utils.command import (
    CommandError,
    Runner,
    module_runner,
    run,
    run_json,
)
from ansible_collections.swissphoto.silo.plugins.module_utils.common import files
from ansible_collections.swissphoto.silo.plugins.module_utils.seccomp import ProfileError, fingerprint, narrow

ARGUMENTS = {"path": {"type": "path", "required": True}, "image": {"type": "str", "required": True}}
# The options of a tenant's container, so that the engine resolves the same rules for it.
LIKE_A_TENANT = ("--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--network", "none")


def versions(runner: Runner) -> str:
    """Return the versions of everything that determines the profile."""
    components = run_json(runner, ["docker", "version", "--format", "{{json .Server.Components}}"])
    known = [f"{part['Name']} {part['Version']}" for part in components if part["Name"] != "docker-init"]
    return ", ".join([*known, f"rules {fingerprint()}"])


@contextmanager
def container(runner: Runner, image: str) -> Iterator[str]:
    """Run a temporary container; yield its id."""
    argv = ["docker", "run", "--rm", "--detach", *LIKE_A_TENANT, "--entrypoint", "sleep", image, "60"]
    identity = run(runner, argv).split()[-1]
    try:
        yield identity
    finally:
        runner(["docker", "rm", "--force", identity])


def default_profile(runner: Runner, image: str) -> dict[str, t.Any]:
    """Return the engine's default profile of a container."""
    with container(runner, image) as identity:
        argv = ["ctr", "--namespace", "moby", "containers", "info", "--spec", identity]
        profile = run_json(runner, argv).get("linux", {}).get("seccomp")
    if not profile:
        raise ProfileError("this engine runs containers without seccomp")
    return t.cast("dict[str, t.Any]", profile)


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""


def main() -> None:
    module = AnsibleModule(ARGUMENTS, supports_check_mode=True)
    path = Path(module.params["path"])
    record = path.with_name(f"{path.name}.made-of")
    runner = module_runner(module)
    try:
        wanted = versions(runner)
        found = read(record).strip() if path.exists() else ""
        if found != wanted and not module.check_mode:
            profile = narrow(default_profile(runner, module.params["image"]))
            files.write(path, json.dumps(profile, indent=1) + "\n", 0o644)
            # Written last, so that the next run repeats an interrupted one.
            files.write(record, f"{wanted}\n", 0o644)
    except (CommandError, ProfileError, OSError) as error:
        module.fail_json(msg=f"the seccomp profile cannot be created: {error}")
    diff = {"before_header": str(path), "after_header": str(path), "before": found, "after": wanted}
    module.exit_json(changed=found != wanted, made_of=wanted, diff=diff)


if __name__ == "__main__":
    main()
