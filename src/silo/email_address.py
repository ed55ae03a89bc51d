"""The one check of an e-mail address, whoever wrote it: the command line, a file, a playbook, Stripe or a page.

It asks no DNS: whether somebody is there, the relay says.
"""

from __future__ import annotations

import dataclasses

from ansible_collections.swissphoto.silo.plugins.module_utils.common.text import printable

LONGEST = 254
RIGHT = "an address such as hans@example.ch"
# With these, Ansible would fill in what stands in a file.
TEMPLATE = ("{{", "{%", "{#")
LONGEST_REASON = 200


class AddressError(ValueError):
    """A text is no address to which silo can write; the text says why, as a clause."""


@dataclasses.dataclass(frozen=True)
class EmailAddress:
    """An address: as a person `typed` it, and its parts as every relay takes them, the domain in ASCII (IDNA)."""

    typed: str
    local: str
    domain: str

    @property
    def normal(self) -> str:
        """The form in which addresses are compared, and in which the photo server keeps a login.

        It has small letters alone: two mailboxes that differ by large ones exist nowhere, and Immich knows none.
        """
        return f"{self.local}@{self.domain}".lower()


def parse(text: object) -> EmailAddress:
    """Return an address; raises AddressError.

    A name before the @ of other than plain letters is refused: few relays, and no photo server, take one.
    """
    # Here, as it takes longer to import than a short command to run.
    from email_validator import EmailNotValidError, validate_email

    if not isinstance(text, str):
        raise AddressError("it is no text")
    if len(text) > LONGEST:
        raise AddressError(f"it has {len(text)} characters, and an address at most {LONGEST}")
    if text != printable(text, LONGEST):
        raise AddressError("it holds a character that acts or hides, such as a line break")
    if any(mark in text for mark in TEMPLATE):
        raise AddressError(f"it holds one of {' '.join(TEMPLATE)}, which Ansible takes for a template")
    try:
        # The domain .test is for tests, where it is somebody's.
        found = validate_email(
            text, allow_smtputf8=False, check_deliverability=False, strict=True, test_environment=True
        )
    except EmailNotValidError as error:
        reason = printable(str(error), LONGEST_REASON).removesuffix(".")
        raise AddressError(reason[:1].lower() + reason[1:]) from None
    return EmailAddress(text, str(found.ascii_local_part), found.ascii_domain)


def problem(text: object) -> str | None:
    """Return what would be right and why a text is no address, as the end of a sentence; None if it is one."""
    try:
        parse(text)
    except AddressError as error:
        return f"it must be {RIGHT}: {error}"
    return None


def same(one: str, other: str) -> bool:
    """Return whether two addresses are those of one mailbox; a text that is no address equals itself alone."""
    try:
        return parse(one).normal == parse(other).normal
    except AddressError:
        return one == other
