"""What the gate answers, and how it is counted."""

from __future__ import annotations

import dataclasses
import http
import json
import typing as t

Outcome = t.Literal["answered", "refused", "busy", "slow", "failed"]
OUTCOMES: tuple[Outcome, ...] = ("answered", "refused", "busy", "slow", "failed")
"""All that a request can come to, so that no tenant has more numbers than these."""


@dataclasses.dataclass(frozen=True)
class Answer:
    """An answer. After one that is not `whole_request`, the rest of the request may still come."""

    status: http.HTTPStatus
    body: bytes
    kind: str = "application/json"
    outcome: Outcome = "answered"
    whole_request: bool = True


class Refusal(Exception):
    """A request that goes no further; the text is one printable sentence."""

    def __init__(self, status: http.HTTPStatus, why: str, outcome: Outcome = "refused") -> None:
        """Keep the status and how it is counted."""
        super().__init__(why)
        self.status, self.outcome = status, outcome

    def answer(self, *, whole_request: bool) -> Answer:
        """Return the answer with the sentence, in the form of the machine learning's own."""
        body = json.dumps({"detail": str(self)}).encode()
        return Answer(self.status, body, outcome=self.outcome, whole_request=whole_request)


def unprocessable(why: str) -> Refusal:
    """Return the refusal of what Immich does not send."""
    return Refusal(http.HTTPStatus.UNPROCESSABLE_ENTITY, why)
