#!/usr/bin/python
# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: tenant_letter
short_description: Write the letters queued for a tenant's customer, and hand them to the relay
version_added: 0.1.0
author:
  - SwissPhoto (@swissphoto)
description:
  - What is queued stands in the outbox beside the inventory, in C(.silo/); an edit of the inventory by C(silo) or by
    C(swissphoto.silo.tenant_edit) puts it there.
  - Writes a letter once its content is true, in the tenant's language, and with a new one-time link if it needs one.
    Only that letter contains the link.
  - Stores a letter before sending it, retries it while the relay does not answer, and never sends it twice.
  - Without a relay, leaves the first one-time link of a new customer in a file beside the inventory, once the tenant
    runs.
  - Contacts no server if nothing is queued.
  - This is an action plugin; the module of this name only documents it.
options:
  relay:
    description: The variables C(letters_relay_*), C(letters_sender), C(letters_sender_name) and C(letters_reply_to).
    type: dict
    required: true
  payment_url:
    description: The page on which a customer can pay an unpaid invoice.
    type: str
    required: true
  tickets_directory:
    description: Directory on the tenant's server from which the page behind a one-time link reads its tickets.
    type: path
    required: true
  hours:
    description: How long the link is valid.
    type: int
    required: true
attributes:
  check_mode:
    description: Reports the letters that it would write, and sends none.
    support: full
  diff_mode:
    description: Only the customer may read a letter.
    support: none
"""

EXAMPLES = r"""
- name: Write the letters queued for the customer, and hand them to the relay
  swissphoto.silo.tenant_letter:
    relay:
      letters_relay_host: smtp.example.ch
      letters_relay_port: 587
      letters_relay_security: starttls
      letters_sender: photos@example.ch
    payment_url: https://example.ch/pay
    tickets_directory: /srv/silo/access/tickets
    hours: 72
  delegate_to: "{{ tenant_server }}"
"""

RETURN = r"""
summary:
  description: A sentence for each letter; empty if nothing was queued.
  returned: success
  type: list
  elements: str
  sample: ["hans: the relay has accepted the letter 'created'."]
"""
