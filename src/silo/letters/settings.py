"""Where letters go out, and how."""

from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Literal

from silo.letters.errors import LetterError
from silo.letters.message import mailbox


@dataclass(frozen=True)
class Settings:
    """The operator's relay, the sender, and the outbox; the password is only ever in a file."""

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

    def __post_init__(self) -> None:
        """Raise LetterError with a sentence on the first value that cannot be."""
        if not self.host or any(c.isspace() for c in self.host):
            raise LetterError(f"host: {self.host!r} is not a name or address of a relay, such as smtp.example.ch")
        if not 1 <= self.port <= 65535:
            raise LetterError(f"port: {self.port} is not from 1 to 65535; usual are 587 (starttls) and 465 (tls)")
        if self.security not in ("starttls", "tls", "none"):
            raise LetterError(f"security: {self.security!r} is not one of starttls, tls, none")
        if self.security == "none" and not _loopback(self.host):
            raise LetterError(f"security: none is for a relay on this machine, and {self.host} is not; take starttls")
        if bool(self.user) != bool(self.password_file):
            raise LetterError("user and password_file: give both, or neither")
        if not 0 < self.timeout <= 600:
            raise LetterError(f"timeout: {self.timeout} is not above 0 and up to 600 seconds")
        mailbox("sender", self.sender, self.sender_name)
        if self.reply_to:
            mailbox("reply_to", self.reply_to)

    def password(self) -> str:
        """The first line of the password file. Raise LetterError if others can read it, or it is not there."""
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
