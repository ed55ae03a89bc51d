"""Sends letters through the operator's relay, one connection for each, and classifies its errors."""

import smtplib
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from silo.notifications.errors import LetterError, PermanentError, SessionError, TemporaryError
from silo.notifications.message import mailbox
from silo.notifications.settings import MailSettings

# By which a relay ends the session, whatever it was told; the answer to who does not log in.
CLOSES, WANTS_LOGIN = 421, 530
SENDER = "the sender"


class UncertainError(LetterError):
    """The connection broke after the relay may have accepted the message."""


class Relay:
    """Sends letters with the settings; every refusal is a LetterError."""

    def __init__(self, settings: MailSettings) -> None:
        """Keep the settings; connect later."""
        self.settings = settings

    def check(self, recipient: str) -> str:
        """Connect, log in, name sender and recipient, send nothing. Return a message; raise LetterError."""
        with self._envelope(recipient) as client:
            client.rset()
        return f"{self._name} accepts letters ({self.settings.security})"

    def send(self, recipient: str, message: bytes, before_data: Callable[[], None]) -> None:
        """Send a message; call `before_data` right before its body.

        Raise SessionError, TemporaryError, PermanentError or UncertainError; a wrong setting is a LetterError.
        """
        with self._envelope(recipient) as client:
            before_data()
            try:
                code, reply = client.data(message)
            except smtplib.SMTPDataError as error:
                code, reply = error.smtp_code, _bytes(error.smtp_error)
            except (OSError, smtplib.SMTPException) as error:
                raise UncertainError(
                    f"{self._name}: the connection broke after the relay may have accepted the letter"
                ) from error
            self._expect(code, reply, "the letter")

    @property
    def _name(self) -> str:
        return f"relay {self.settings.host}:{self.settings.port}"

    def _expect(self, code: int, reply: bytes, what: str) -> None:
        if 200 <= code < 300:
            return
        text = f"{self._name} refuses {what}: {code} {reply.decode(errors='replace')[:200]!r}"
        # All letters have the same sender.
        of_all = what == SENDER
        if code == CLOSES or (of_all and not 500 <= code < 600):
            raise SessionError(text, ends_all=of_all)
        if of_all or code == WANTS_LOGIN:
            raise LetterError(text)
        raise PermanentError(text) if 500 <= code < 600 else TemporaryError(text)

    @contextmanager
    def _envelope(self, recipient: str) -> Iterator[smtplib.SMTP]:
        settings = self.settings
        client: smtplib.SMTP | None = None
        is_named = False
        address = mailbox("recipient", recipient).addr_spec
        password = settings.password()
        try:
            if settings.security == "tls":
                context = ssl.create_default_context(cafile=settings.ca_file)
                client = smtplib.SMTP_SSL(settings.host, settings.port, timeout=settings.timeout, context=context)
            else:
                client = smtplib.SMTP(settings.host, settings.port, timeout=settings.timeout)
            if settings.security == "starttls":
                client.starttls(context=ssl.create_default_context(cafile=settings.ca_file))
            client.ehlo_or_helo_if_needed()
            if settings.user:
                client.login(settings.user, password)
            code, reply = client.mail(mailbox("sender", settings.sender).addr_spec)
            self._expect(code, reply, SENDER)
            is_named = True
            code, reply = client.rcpt(address)
            self._expect(code, reply, "the recipient")
            yield client
        except ssl.SSLCertVerificationError as error:
            # An error of the settings, not of the letter, which stays in the outbox.
            raise LetterError(f"{self._name}: its certificate is not valid: {error.verify_message}") from error
        except smtplib.SMTPNotSupportedError as error:
            raise LetterError(
                f"{self._name} does not support the required security ({settings.security}) or login"
            ) from error
        except smtplib.SMTPResponseException as error:
            kind = LetterError if 500 <= error.smtp_code < 600 else SessionError
            raise kind(f"{self._name} refuses the connection or login: {error.smtp_code}") from error
        except (OSError, smtplib.SMTPException) as error:
            if is_named:
                what = f"{self._name} broke the connection after it was told the recipient: {type(error).__name__}"
                raise TemporaryError(what) from error
            raise SessionError(f"{self._name} cannot be reached: {type(error).__name__}") from error
        finally:
            if client is not None:
                with suppress(OSError, smtplib.SMTPException):
                    client.close()


def _bytes(reply: bytes | str) -> bytes:
    return reply if isinstance(reply, bytes) else reply.encode()
