"""The keys of Stripe: as systemd gives them to a service, or from files that their owner alone reads. Nowhere else."""

from __future__ import annotations

import os
import re
from pathlib import Path

from silo.billing.errors import BillingError

KEY = "stripe-key"
SECRETS = "stripe-webhook-secrets"
# What systemd sets for a unit with LoadCredential=; the folder is in memory, and for this unit alone.
DIRECTORY = "CREDENTIALS_DIRECTORY"
_KEY = re.compile(r"(rk|sk)_(live|test)_[A-Za-z0-9_]{8,250}")
_SECRET = re.compile(r"whsec_[A-Za-z0-9+/=_-]{8,250}")


class CredentialError(BillingError):
    """A key that is not there, is open to others, or is none; the text never quotes it."""


def key(file: str = "") -> str:
    """Return the key by which Stripe is asked; `file` is where it lies for who calls by hand."""
    lines = _lines(KEY, file, "billing_stripe_key_file")
    if len(lines) != 1 or not _KEY.fullmatch(lines[0]):
        raise CredentialError(
            f"{KEY}: it is to be one line with a key that begins with rk_live_ (or rk_test_ for a test), as Stripe's "
            "dashboard shows it once under Developers, API keys, Restricted keys"
        )
    return lines[0]


def secrets(file: str = "") -> tuple[str, ...]:
    """Return the secrets by which events are signed, one a line; two while one takes the place of the other."""
    lines = _lines(SECRETS, file, "billing_webhook_secrets_file")
    if not lines or not all(_SECRET.fullmatch(line) for line in lines):
        raise CredentialError(
            f"{SECRETS}: it is to be a line each with a secret that begins with whsec_, as Stripe's dashboard shows it "
            "at the webhook's endpoint"
        )
    return tuple(lines)


def _lines(name: str, file: str, variable: str) -> list[str]:
    path = _path(name, file, variable)
    try:
        text = path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not plain text"
        raise CredentialError(f"{name}: {path} cannot be read: {why}") from None
    return [line for line in (line.strip() for line in text.splitlines()) if line]


def _path(name: str, file: str, variable: str) -> Path:
    given = os.environ.get(DIRECTORY, "")
    if given and (path := Path(given) / name).is_file():
        return path
    if not file:
        raise CredentialError(f"{name}: there is none; {variable} is to name the file in which it lies")
    path = Path(file).expanduser()
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise CredentialError(f"{name}: {path} cannot be read: {error.strerror}") from None
    if mode & 0o077:
        raise CredentialError(f"{name}: others can read {path}; set its mode to 0600")
    return path
