#!/usr/bin/python
# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: server_images_info
short_description: Read the images of a server's containers
version_added: 0.1.0
author:
  - SwissPhoto (@swissphoto)
description:
  - Reads the image and its registry digests of each container of a tenant or shared service.
  - Does not report containers of other Compose projects.
extends_documentation_fragment: swissphoto.silo.reads
seealso:
  - module: swissphoto.silo.diagnostics_info
"""

EXAMPLES = r"""
- name: Read the images of a server
  swissphoto.silo.server_images_info:
  register: images
"""

RETURN = r"""
containers:
  description: All containers, running or not.
  returned: always
  type: list
  elements: dict
  sample:
    - name: silo-hans-server-1
      image: ghcr.io/immich-app/immich-server:v3.2.2
      digests:
        - ghcr.io/immich-app/immich-server@sha256:55ea0718c4c1a33c4865118125f72e982319f4011062cf1ad2a7d06b60319042
      state: running
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.common.compose import PREFIX
from ..module_utils.tenant import engine
from ..module_utils.tenant.stack import StackError

PROJECT = "com.docker.compose.project"


def containers(get: t.Callable[[str, t.Mapping[str, str]], t.Any]) -> list[dict[str, t.Any]]:
    listed = [
        item
        for item in get("/containers/json", {"all": "true"})
        if str(item["Labels"].get(PROJECT, "")).startswith(PREFIX)
    ]
    # Many tenants share an image; read it once.
    digests = {
        identity: get(f"/images/{identity}/json", {}).get("RepoDigests") or []
        for identity in {item["ImageID"] for item in listed}
    }
    found = [
        {
            "name": item["Names"][0].removeprefix("/"),
            "image": item["Image"],
            "digests": digests[item["ImageID"]],
            "state": item["State"],
        }
        for item in listed
    ]
    return sorted(found, key=lambda one: str(one["name"]))


def main() -> None:
    module = AnsibleModule(argument_spec={}, supports_check_mode=True)
    try:
        found = containers(engine.get)
    except StackError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, containers=found)


if __name__ == "__main__":
    main()
