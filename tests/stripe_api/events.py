"""Events as Stripe posts them, signed by its own library."""

from __future__ import annotations

import json
import time
import typing as t

import requests
import stripe

SECRET = "whsec_of_a_test_account"


def signed(event: dict[str, t.Any], secret: str = SECRET, at: int | None = None) -> tuple[bytes, dict[str, str]]:
    """Return the body and the headers of an event; `at` is when it is signed, in seconds since 1970."""
    body = json.dumps(event, indent=2)
    moment = int(time.time()) if at is None else at
    header = stripe.WebhookSignature.generate_signature_header(body, secret, timestamp=moment)
    return body.encode(), {"Stripe-Signature": header, "Content-Type": "application/json; charset=utf-8"}


def post(url: str, event: dict[str, t.Any], secret: str = SECRET, verify: bool | str = True) -> int:
    """Post an event to an endpoint; return the status of the answer. `verify` is a file with authorities to trust."""
    body, headers = signed(event, secret)
    return requests.post(url, data=body, headers=headers, timeout=10, verify=verify).status_code
