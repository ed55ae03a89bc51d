#!/usr/bin/python
# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: tenant_letter
short_description: Write the letters that are queued for a tenant's customer, and give them to the relay
version_added: 0.1.0
author:
  - SwissPhoto (@swissphoto)
description:
  - What is queued stands in the outbox beside the inventory, in C(.silo/); an edit of the inventory by C(silo) or by
    C(swissphoto.silo.tenant_edit) puts it there.
  - A letter is written when what it tells is true, in the tenant's language, and with a new one-time link where it
    brings one. The link stands in that letter alone.
  - A letter is kept before it is sent, retried while the relay is away, and never sent twice.
  - Asks nothing of a server where nothing is queued.
  - This is an action plugin; the module of this name only documents it.
options:
  relay:
    description: The variables C(letters_relay_*), C(letters_sender), C(letters_sender_name) and C(letters_reply_to).
    type: dict
    required: true
  payment_url:
    description: Where a customer who has not paid can pay.
    type: str
    required: true
  tickets_directory:
    description: On the tenant's server, where the page behind a one-time link looks for its ticket.
    type: path
    required: true
  hours:
    description: How long the link waits for its customer.
    type: int
    required: true
attributes:
  check_mode:
    description: It says which letters it would write, and sends none.
    support: full
  diff_mode:
    description: A letter is for its customer alone.
    support: none
"""

EXAMPLES = r"""
- name: Write what is queued for the customer, and give it to the relay
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
  description: A sentence on each letter; none where nothing was queued.
  returned: success
  type: list
  elements: str
  sample: ["hans: the letter 'created' is with the relay."]
"""
