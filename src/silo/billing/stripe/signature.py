"""Whether a body is Stripe's and of now: by Stripe's own library, and by what that leaves open."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence

from stripe import SignatureVerificationError, WebhookSignature

TOLERANCE_SECONDS = 300
LONGEST_HEADER = 4096


class Refused(Exception):
    """A request that is answered with a status of its own; `reason` is a word for the metrics."""

    def __init__(self, status: int, reason: str, text: str) -> None:
        """Keep what the sender and the journal are told."""
        super().__init__(text)
        self.status, self.reason = status, reason


@dataclasses.dataclass(frozen=True)
class Verifier:
    """Whether a body is Stripe's, by any of the secrets: while one takes the place of another, both hold."""

    secrets: Sequence[str]
    tolerance_seconds: int = TOLERANCE_SECONDS
    clock: Callable[[], float] = time.time

    def __post_init__(self) -> None:
        """Raise ValueError where the check would be none: the library takes a tolerance of 0 for no check at all."""
        if not self.secrets or not all(secret.strip() for secret in self.secrets):
            raise ValueError("secrets: none is given, or one is empty; Stripe's begin with whsec_")
        if self.tolerance_seconds < 1:
            raise ValueError(f"tolerance_seconds: {self.tolerance_seconds} is not from 1 up; 300 is Stripe's own")

    def check(self, body: bytes, header: str) -> None:
        """Raise Refused with 400 where the body is not Stripe's, or not of now."""
        if not header:
            raise Refused(400, "unsigned", "there is no Stripe-Signature")
        if not header.isascii() or len(header) > LONGEST_HEADER:
            raise Refused(400, "signature", "the Stripe-Signature is not as Stripe writes it")
        try:
            body.decode("utf-8")
        except UnicodeDecodeError:
            raise Refused(400, "encoding", "the body is not UTF-8") from None
        if not any(self._signed(body, header, secret) for secret in self.secrets):
            raise Refused(400, "signature", "the signature is none of ours")
        # By our own clock, both ways: the library lets the future pass, and looks only at the past.
        age = self.clock() - _signed_at(header)
        if abs(age) > self.tolerance_seconds:
            raise Refused(400, "time", f"it was signed {abs(age):.0f} s {'ago' if age > 0 else 'from now'}")

    def _signed(self, body: bytes, header: str, secret: str) -> bool:
        try:
            return bool(WebhookSignature.verify_header(body, header, secret))
        except SignatureVerificationError:
            return False


def _signed_at(header: str) -> int:
    """Return when a header was signed; it is the same part of it that the library reads."""
    first = next(part for part in header.split(",") if part.split("=", 1)[0] == "t")
    written = first.removeprefix("t=")
    if not (written.isdecimal() and len(written) < 12):
        raise Refused(400, "signature", "the Stripe-Signature is not as Stripe writes it")
    return int(written)
