"""The letters that a change owes: each is on disk before what it is about, so that no interruption loses one."""

from __future__ import annotations

import contextlib
import typing as t
from collections.abc import Callable

from silo import email_address, notifications
from silo.inventory import Change
from silo.inventory.session import EditSession, PreparedEdit
from silo.notifications import Outbox
from silo.owed_links import OwedLinks
from silo.tenant.schema import defaults


def make(session: EditSession, edit: PreparedEdit, outbox: Outbox, letter: str, link: str = "") -> Change:
    """Queue `letter`, then make the edit that owes it; an edit that fails owes none. `link` is where to pay."""
    name = edit.change.name
    is_new = outbox.queue_notification(name, letter, link)
    try:
        return session.make(edit)
    except Exception:
        if is_new:
            outbox.forget(name, letter)
        raise


def make_with_link(session: EditSession, edit: PreparedEdit, owed: OwedLinks) -> Change:
    """Record that the tenant's first link is owed, then make the edit that creates it; one that fails owes none."""
    name = edit.change.name
    is_new = owed.owe(name)
    try:
        return session.make(edit)
    except Exception:
        if is_new:
            owed.forget(name)
        raise


def left_address(edit: PreparedEdit) -> str:
    """Return the address that a tenant leaves by an edit; empty where it keeps its own, or had none that is one."""
    before, after = (str((said or {}).get("tenant_email", "")) for said in (edit.change.before, edit.change.after))
    return "" if email_address.same(before, after) or email_address.problem(before) else before


def tell_former_address(
    edit: PreparedEdit,
    occasion: str,
    outbox: Outbox | None,
    domain: str,
    notify: Callable[[str], None],
    language: str = "",
) -> None:
    """Write to the address that a tenant is about to leave: who did not ask for it can still say so.

    What the relay does with the letter does not stop the change, as an address often changes because it is broken;
    `notify` gets a sentence about it. `language` is that of a tenant that is not in the inventory any more.
    """
    name = edit.change.name
    if outbox is None:
        notify(f"There is no relay, so nobody tells the former address of {name} that it changes.")
        return
    event = f"address_changed/{name}/{occasion}"
    if event not in outbox.states():
        known = edit.was.settings if edit.was else defaults()
        letter = notifications.AddressChanged(name, f"https://{name}.{domain}")
        said = t.cast("notifications.Language", language or known["tenant_language"])
        outbox.enqueue(event, left_address(edit), letter, said)
    with contextlib.suppress(notifications.LetterError):
        outbox.deliver()
    notify(notifications.delivery_status(outbox, event))
