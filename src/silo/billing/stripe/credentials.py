"""The keys of Stripe: as systemd gives them to a service, or from files that their owner alone reads. Nowhere else.

Neither an argument nor a variable of the environment ever holds one: a variable names a file.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from silo.billing.errors import BillingError

KEY = "stripe-key"
SECRETS = "stripe-webhook-secrets"
# What systemd sets for a unit with LoadCredential=; the folder is in memory, and for this unit alone.
DIRECTORY = "CREDENTIALS_DIRECTORY"
# Where they lie for who calls by hand.
KEY_FILE, SECRETS_FILE = "SILO_STRIPE_KEY_FILE", "SILO_STRIPE_WEBHOOK_SECRETS_FILE"
_KEY = re.compile(r"(rk|sk)_(live|test)_[A-Za-z0-9_]{8,250}")
_SECRET = re.compile(r"whsec_[A-Za-z0-9+/=_-]{8,250}")


class CredentialError(BillingError):
    """A key that is not there, is open to others, or is none; the text never quotes it."""


def key() -> str:
    """Return the key by which Stripe is asked; raises CredentialError."""
    lines = _lines(KEY, KEY_FILE)
    if len(lines) != 1 or not _KEY.fullmatch(lines[0]):
        raise CredentialError(
            f"{KEY}: it is to be one line with a key that begins with rk_live_ (or rk_test_ for a test), as Stripe's "
            "dashboard shows it once under Developers, API keys, Restricted keys"
        )
    return lines[0]


def secrets() -> tuple[str, ...]:
    """Return the secrets by which events are signed; two while one takes the place of the other.

    Raises CredentialError.
    """
    lines = _lines(SECRETS, SECRETS_FILE)
    if not lines or not all(_SECRET.fullmatch(line) for line in lines):
        raise CredentialError(
            f"{SECRETS}: it is to be a line each with a secret that begins with whsec_, as Stripe's dashboard shows it "
            "at the webhook's endpoint"
        )
    return tuple(lines)


def _lines(name: str, variable: str) -> list[str]:
    path = _path(name, variable)
    try:
        text = path.read_text(encoding="ascii")
    except OSError as error:
        raise CredentialError(f"{name}: {path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise CredentialError(f"{name}: {path} holds more than plain letters; it is no key") from None
    return [line for line in (line.strip() for line in text.splitlines()) if line]


def _path(name: str, variable: str) -> Path:
    given = os.environ.get(DIRECTORY, "")
    if given and (path := Path(given) / name).is_file():
        return path
    named = os.environ.get(variable, "")
    if not named:
        raise CredentialError(f"{name}: there is none; {variable} is to name the file in which it lies, of mode 0600")
    path = Path(named).expanduser()
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise CredentialError(f"{name}: {path} cannot be read: {error.strerror}") from None
    if mode & 0o077:
        raise CredentialError(f"{name}: others can read {path}; set its mode to 0600")
    return path
