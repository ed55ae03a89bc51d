"""Verifies that Stripe signed a body, and did so recently: by Stripe's library, and by the checks that it lacks."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence

from stripe import SignatureVerificationError, WebhookSignature

TOLERANCE_SECONDS = 300
LONGEST_HEADER = 4096


class Refused(Exception):
    """A request is refused with an HTTP status; `reason` is its label in the metrics."""

    def __init__(self, status: int, reason: str, text: str) -> None:
        """Store the status and the text, which goes to the sender and the journal."""
        super().__init__(text)
        self.status, self.reason = status, reason


@dataclasses.dataclass(frozen=True)
class Verifier:
    """Verifies signatures; each of the secrets is valid, because there are two during a rotation."""

    secrets: Sequence[str]
    tolerance_seconds: int = TOLERANCE_SECONDS
    clock: Callable[[], float] = time.time

    def __post_init__(self) -> None:
        """Raise ValueError for values that disable the check: with tolerance 0, the library ignores the time."""
        if not self.secrets or not all(secret.strip() for secret in self.secrets):
            raise ValueError("secrets: there is none, or one is empty; each must begin with whsec_")
        if self.tolerance_seconds < 1:
            raise ValueError(f"tolerance_seconds is {self.tolerance_seconds}; it must be 1 or more")

    def check(self, body: bytes, header: str) -> None:
        """Raise Refused with status 400 if Stripe did not sign the body, or not within the tolerance."""
        if not header:
            raise Refused(400, "unsigned", "the header Stripe-Signature is missing")
        if not header.isascii() or len(header) > LONGEST_HEADER:
            raise Refused(400, "signature", "the header Stripe-Signature is malformed")
        try:
            body.decode("utf-8")
        except UnicodeDecodeError:
            raise Refused(400, "encoding", "the body is not UTF-8") from None
        if not any(self._signed(body, header, secret) for secret in self.secrets):
            raise Refused(400, "signature", "no webhook secret matches the signature")
        # The library refuses only times in the past, so times in the future are checked here as well.
        age = self.clock() - _signed_at(header)
        if abs(age) > self.tolerance_seconds:
            raise Refused(400, "time", f"it was signed {abs(age):.0f} s {'ago' if age > 0 else 'in the future'}")

    def _signed(self, body: bytes, header: str, secret: str) -> bool:
        try:
            return bool(WebhookSignature.verify_header(body, header, secret))
        except SignatureVerificationError:
            return False


def _signed_at(header: str) -> int:
    """Return when a header was signed, in seconds since 1970; reads the same part of the header as the library."""
    first = next(part for part in header.split(",") if part.split("=", 1)[0] == "t")
    written = first.removeprefix("t=")
    if not (written.isdecimal() and len(written) < 12):
        raise Refused(400, "signature", "the header Stripe-Signature is malformed")
    return int(written)
