"""The settings of the mail relay and the outbox."""

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Literal

from silo.brand import Brand, BrandError
from silo.notifications.errors import LetterError
from silo.notifications.letter import DEFAULT
from silo.notifications.message import mailbox

# Variable of the inventory to its setting.
VARIABLES = {
    "host": "letters_relay_host",
    "port": "letters_relay_port",
    "security": "letters_relay_security",
    "user": "letters_relay_user",
    "password_file": "letters_relay_password_file",
    "ca_file": "letters_relay_ca_file",
    "sender": "letters_sender",
    "sender_name": "letters_sender_name",
    "reply_to": "letters_reply_to",
    "keep_days": "letters_keep_days",
    "brand": "letters_brand",
}
LEAST_DAYS, MOST_DAYS = 90, 36_500
# The recipient of alerts.
OPERATOR = "letters_operator"


@dataclass(frozen=True)
class MailSettings:
    """The operator's relay, the sender, and the outbox; the password is only in a file.

    `keep_days` is how long the outbox remembers that a letter was sent or failed; `brand` is whose letters they are.
    """

    host: str
    port: int
    sender: str
    outbox: Path
    security: Literal["starttls", "tls", "none"] = "starttls"
    user: str = ""
    password_file: Path | None = None
    ca_file: Path | None = None
    sender_name: str = ""
    reply_to: str = ""
    timeout: float = 30.0  # seconds
    keep_days: int = 400
    brand: Brand = DEFAULT

    @classmethod
    def of(cls, variables: Mapping[str, Any], outbox: Path) -> "MailSettings | None":
        """Return the settings from the inventory's variables, or None without a relay. Raise LetterError."""
        if not variables.get(VARIABLES["host"]):
            return None
        values = {key: variables[name] for key, name in VARIABLES.items() if variables.get(name) not in (None, "")}
        for key in ("password_file", "ca_file"):
            if key in values:
                values[key] = Path(values[key]).expanduser()
        for key, usual in (("port", "587 and 465"), ("keep_days", "400")):
            try:
                values[key] = int(values.get(key, getattr(cls, key, "")))
            except ValueError:
                raise LetterError(f"{key}: {values.get(key, '')!r} is not a number; usual are {usual}") from None
        try:
            values["brand"] = brand = Brand.of(values.get("brand", {}))
        except BrandError as error:
            raise LetterError(str(error)) from error
        values.setdefault("sender_name", brand.name)
        try:
            return cls(outbox=outbox, **values)
        except TypeError as error:
            raise LetterError(f"a letter needs a relay, a port and a sender: {error}") from error

    def __post_init__(self) -> None:
        """Raise LetterError for the first invalid value."""
        if not self.host or any(c.isspace() for c in self.host):
            raise LetterError(f"host: {self.host!r} is not a name or address of a relay, such as smtp.example.ch")
        if not 1 <= self.port <= 65535:
            raise LetterError(f"port: {self.port} is not from 1 to 65535; usual are 587 (starttls) and 465 (tls)")
        if not LEAST_DAYS <= self.keep_days <= MOST_DAYS:
            raise LetterError(
                f"keep_days: {self.keep_days} is not from {LEAST_DAYS} to {MOST_DAYS}; what is forgotten earlier may "
                "be sent again"
            )
        if self.security not in ("starttls", "tls", "none"):
            raise LetterError(f"security: {self.security!r} is not one of starttls, tls, none")
        if self.security == "none" and not _loopback(self.host):
            raise LetterError(
                f"security: none is only for a relay on this machine, and {self.host} is not; use starttls"
            )
        if bool(self.user) != bool(self.password_file):
            raise LetterError("user and password_file: give both, or neither")
        if not 0 < self.timeout <= 600:
            raise LetterError(f"timeout: {self.timeout} is not above 0 and up to 600 seconds")
        mailbox("sender", self.sender, self.sender_name)
        if self.reply_to:
            mailbox("reply_to", self.reply_to)

    def password(self) -> str:
        """Return the first line of the password file. Raise LetterError if others can read it, or it is missing."""
        if self.password_file is None:
            return ""
        try:
            if self.password_file.stat().st_mode & 0o077:
                raise LetterError(f"password_file: others can read {self.password_file}; set its mode to 0600")
            return self.password_file.read_text(encoding="utf-8").partition("\n")[0]
        except OSError as error:
            raise LetterError(f"password_file: {self.password_file} cannot be read: {error.strerror}") from error


def _loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
