#!/usr/bin/python
# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: tenant_templates_info
short_description: Read which templates of new tenants are on a NAS
version_added: 0.1.0
author:
  - SwissPhoto (@swissphoto)
description:
  - Reads the records of the templates. Returns no password, and reads no file whole.
extends_documentation_fragment: swissphoto.silo.reads
options:
  root:
    description: Where the file system of the NAS is mounted.
    type: path
    default: /instances
seealso:
  - module: swissphoto.silo.tenant_templates
"""

EXAMPLES = r"""
- name: Look at the templates of a NAS
  swissphoto.silo.tenant_templates_info:
  register: templates
"""

RETURN = r"""
templates:
  description: A template each, the oldest first; sizes in bytes.
  returned: always
  type: list
  elements: dict
  sample:
    - key: 6d1f0e5c2b7a9384
      made_of:
        server: ghcr.io/immich-app/immich-server:v3.2.2
        database: ghcr.io/immich-app/postgres:14-vectorchord0.4.3
        vector_extension: vectorchord
      made_at: "2026-11-30T19:12:00+00:00"
      digest: 55ea0718c4c1a33c4865118125f72e982319f4011062cf1ad2a7d06b60319042
      size: 36700160
      unpacked: 152043520
      path: /instances/.templates/6d1f0e5c2b7a9384.tar.zst
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.common.names import TEMPLATES
from ..module_utils.tenant.template import Store


def main() -> None:
    module = AnsibleModule({"root": {"type": "path", "default": "/instances"}}, supports_check_mode=True)
    kept = Store(Path(module.params["root"]) / TEMPLATES).all()
    module.exit_json(changed=False, templates=[one.told() for one in kept])


if __name__ == "__main__":
    main()
