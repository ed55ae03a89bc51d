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
  - The link is made on the controller and left there in a file; the server gets its hash, and the output nothing of it.
  - Older links of the tenant end. A link that is in its file already and still open is kept.
  - Where the password of the tenant's vault does not log in any more, the admin gets one that the link alone opens.
  - The action plugin of the same name fills in the parameters from the inventory.
    A playbook gives it O(links_directory), O(tickets_directory) and O(hours).
attributes:
  check_mode:
    description: Says whether a link would be issued, and issues none.
    support: full
  diff_mode:
    description: There is nothing to be shown.
    support: none
options:
  links_directory:
    description: Directory on the controller; the link is left in a file with the name of the tenant.
    type: path
    required: true
  tickets_directory:
    description: Directory on the server, which belongs to the access service.
    type: path
    required: true
  hours:
    description: How long the link may wait for its customer.
    type: int
    required: true
  tenant:
    description: Name of the tenant; by default the host that the task runs for.
    type: str
    default: ""
  host_name:
    description: The tenant's address for the world.
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
    description: The password that belongs to the link that is in its file.
    type: str
    default: ""
  vault_key:
    description: C(password) of the tenant's vault, and C(sealed), the same sealed by the token.
    type: dict
    default: {}
  fresh_key:
    description: The C(password) that belongs to the new link, and the same C(sealed) by the token.
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
  description: Where the link is and until when it opens, for the operator.
  returned: success
  type: str
expires_at:
  description: Until when it opens, in seconds since 1970; 0 in check mode where none is open.
  returned: success
  type: int
reset:
  description: Whether the admin's password was made anew.
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
    # An apply may start the photo server again.
    with held(APPLY, WAIT_SECONDS):
        return issue(link, admin, time.time())


def main() -> None:
    # The parameters hold passwords: none of it goes to the server's journal.
    module = AnsibleModule(argument_spec=_argument_spec(), supports_check_mode=True, no_log=True)
    admin = Admin(module.params["photo_server"], module.params["container"])
    try:
        issued = _issue(_link(module.params), admin, module.check_mode)
    except (StackError, OSError) as error:
        module.fail_json(msg=f"{module.params['tenant']}: {error}")
    module.exit_json(**dataclasses.asdict(issued))


if __name__ == "__main__":
    main()
