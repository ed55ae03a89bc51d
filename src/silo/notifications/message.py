"""A rendered letter as an e-mail message."""

import hashlib
import re
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP

import idna
from ansible_collections.swissphoto.silo.plugins.module_utils.common.text import printable

from silo.notifications.errors import LetterError
from silo.notifications.letter import LONGEST_SUBJECT, Rendered

_LOCAL = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}")


def mailbox(field: str, address: str, name: str = "") -> Address:
    """Return the address with its domain in ASCII (IDNA). Raise LetterError that names the field."""
    if any(not c.isprintable() for c in address + name):
        raise LetterError(f"{field}: the address or name contains a line break or another control character; remove it")
    local, _, domain = address.rpartition("@")
    if not _LOCAL.fullmatch(local) or local.startswith(".") or local.endswith(".") or ".." in local:
        raise LetterError(f"{field}: {address!r} is not an e-mail address such as hans@example.ch")
    try:
        ascii_domain = idna.encode(domain, uts46=True).decode()
    except idna.IDNAError as error:
        raise LetterError(f"{field}: {domain!r} is not a domain such as example.ch") from error
    return Address(name, local, ascii_domain)


def compose(
    event_id: str, recipient: str, rendered: Rendered, language: str, sender: Address, reply_to: str = ""
) -> EmailMessage:
    """Return the message of an event, always with the same Message-ID. Raise LetterError for an invalid address."""
    message = EmailMessage(policy=SMTP)
    message["From"] = sender
    message["To"] = mailbox("recipient", recipient)
    message["Subject"] = printable(rendered.subject, LONGEST_SUBJECT)
    message["Date"] = datetime.now(UTC)
    digest = hashlib.sha256(event_id.encode()).hexdigest()[:32]
    message["Message-ID"] = f"<{digest}@{sender.domain}>"
    message["Auto-Submitted"] = "auto-generated"
    message["Content-Language"] = language
    if reply_to:
        message["Reply-To"] = mailbox("reply_to", reply_to)
    message.set_content(rendered.text, cte="quoted-printable")
    message.add_alternative(rendered.html, subtype="html", cte="quoted-printable")
    return message
