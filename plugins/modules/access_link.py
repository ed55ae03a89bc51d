#!/usr/bin/python
# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: access_link
short_description: Issue a one-time link by which a customer sets a password
version_added: 0.1.0
author:
  - SwissPhoto (@swissphoto)
description:
  - The controller creates the link and writes it to a file. The server gets only its hash, and the output does not
    contain it.
  - Older links of the tenant become invalid. A link that is in the file already and still valid is kept.
  - If the password of the tenant's vault cannot log in any more, the admin gets a new one, which only the link
    contains.
  - The action plugin of the same name fills in the parameters from the inventory.
    A playbook gives it O(links_directory), O(tickets_directory) and O(hours).
attributes:
  check_mode:
    description: Reports whether a link would be issued.
    support: full
  diff_mode:
    description: A link has no diff.
    support: none
options:
  links_directory:
    description: Directory on the controller for the link, in a file with the name of the tenant.
    type: path
    required: true
  tickets_directory:
    description: Directory on the server, which belongs to the access service.
    type: path
    required: true
  hours:
    description: How long the link is valid.
    type: int
    required: true
  tenant:
    description: Name of the tenant; by default the host of the task.
    type: str
    default: ""
  host_name:
    description: The tenant's public host name.
    type: str
    default: ""
  email:
    description: Login of the first admin.
    type: str
    default: ""
  photo_server:
    description: URL of the photo server on the tenant's own network.
    type: str
    default: ""
  container:
    description: Container of the photo server.
    type: str
    default: ""
  digest:
    description: Hash of the new link's token.
    type: str
    default: ""
  known_digest:
    description: Hash of the token of the link that is in its file.
    type: str
    default: ""
  known_password:
    description: The password of the link that is in its file.
    type: str
    default: ""
  vault_key:
    description: C(password) of the tenant's vault, and C(sealed), the same encrypted with the token.
    type: dict
    default: {}
  fresh_key:
    description: C(password) of the new link, and C(sealed), the same encrypted with the token.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: Issue a link
  swissphoto.silo.access_link:
    links_directory: /run/user/1000/links
    tickets_directory: /srv/silo/access/tickets
    hours: 72
  delegate_to: "{{ tenant_server }}"
"""

RETURN = r"""
summary:
  description: The file of the link and its expiry, for the operator.
  returned: success
  type: str
expires_at:
  description: When the link expires, in seconds since 1970; 0 in check mode if none is valid.
  returned: success
  type: int
reset:
  description: Whether the admin got a new password.
  returned: success
  type: bool
"""

import dataclasses
import time
import typing as t
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.access.admin import Admin
from ..module_utils.access.issue import Issued, Key, Link, issue, open_until
from ..module_utils.tenant.lock import APPLY, held
from ..module_utils.tenant.stack import StackError

WAIT_SECONDS = 300


def _argument_spec() -> dict[str, t.Any]:
    names = ("tenant", "host_name", "email", "photo_server", "container", "digest", "known_digest")
    return {
        "links_directory": {"type": "path", "required": True},
        "tickets_directory": {"type": "path", "required": True},
        "hours": {"type": "int", "required": True},
        **{name: {"type": "str", "default": ""} for name in names},
        "known_password": {"type": "str", "default": "", "no_log": True},
        "vault_key": {"type": "dict", "default": {}, "no_log": True},
        "fresh_key": {"type": "dict", "default": {}, "no_log": True},
    }


def _link(parameters: dict[str, t.Any]) -> Link:
    names = ("tenant", "host_name", "email", "photo_server", "digest", "known_digest", "known_password")
    return Link(
        directory=Path(parameters["tickets_directory"]),
        seconds=parameters["hours"] * 3600,
        vault=Key(**parameters["vault_key"]),
        fresh=Key(**parameters["fresh_key"]),
        **{name: parameters[name] for name in names},
    )


def _issue(link: Link, admin: Admin, check_mode: bool) -> Issued:
    if until := open_until(link, admin, time.time()):
        return Issued(False, until)
    if check_mode:
        return Issued(True, 0)
    # An apply may restart the photo server.
    with held(APPLY, WAIT_SECONDS):
        return issue(link, admin, time.time())


def main() -> None:
    # The parameters contain passwords, so the module logs nothing to the server's journal.
    module = AnsibleModule(argument_spec=_argument_spec(), supports_check_mode=True, no_log=True)
    admin = Admin(module.params["photo_server"], module.params["container"])
    try:
        issued = _issue(_link(module.params), admin, module.check_mode)
    except (StackError, OSError) as error:
        module.fail_json(msg=f"{module.params['tenant']}: {error}")
    module.exit_json(**dataclasses.asdict(issued))


if __name__ == "__main__":
    main()
