"""A rendered letter as an e-mail message."""

import hashlib
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP

from ansible_collections.swissphoto.silo.plugins.module_utils.common.text import printable

from silo import email_address
from silo.notifications.errors import LetterError
from silo.notifications.letter import LOGO_ID, LONGEST_SUBJECT, Rendered


def mailbox(field: str, address: str, name: str = "") -> Address:
    """Return the address with its domain in ASCII (IDNA). Raise LetterError that names the field."""
    if any(not c.isprintable() for c in name):
        raise LetterError(f"{field}: the name contains a line break or another control character; remove it")
    try:
        found = email_address.parse(address)
    except email_address.AddressError as error:
        said = f"{printable(repr(address))} is not an e-mail address such as hans@example.ch"
        raise LetterError(f"{field}: {said}: {error}") from error
    return Address(name, found.local, found.domain)


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
    if rendered.logo and (html := message.get_body(("html",))):
        html.add_related(rendered.logo, "image", "png", cid=f"<{LOGO_ID}>", disposition="inline", filename="logo.png")
    return message
