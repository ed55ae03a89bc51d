"""Reads the keys of billing from credentials of systemd, or from files that only their owner can read.

No argument and no environment variable contains a key; a variable may name its file.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from silo.billing.errors import BillingError

KEY = "stripe-key"
SECRETS = "stripe-webhook-secrets"
CHECKOUT_KEY, CHECKOUT_SECRETS = "stripe-checkout-key", "checkout-secrets"
# systemd sets it for a unit with LoadCredential=; the directory is in memory, and only this unit can read it.
DIRECTORY = "CREDENTIALS_DIRECTORY"
# The variables that name the files if silo runs by hand.
KEY_FILE, SECRETS_FILE = "SILO_STRIPE_KEY_FILE", "SILO_STRIPE_WEBHOOK_SECRETS_FILE"
CHECKOUT_KEY_FILE, CHECKOUT_SECRETS_FILE = "SILO_STRIPE_CHECKOUT_KEY_FILE", "SILO_CHECKOUT_SECRETS_FILE"
_KEY = re.compile(r"(rk|sk)_(live|test)_[A-Za-z0-9_]{8,250}")
_SECRET = re.compile(r"whsec_[A-Za-z0-9+/=_-]{8,250}")
# 32 letters hold at least 128 bits, if a program made them.
_OWN_SECRET = re.compile(r"[A-Za-z0-9+/=_-]{32,250}")


class CredentialError(BillingError):
    """A key is missing or malformed, or others can read it; the text never quotes it."""


def key() -> str:
    """Return the restricted key for Stripe's API, which reads; raises CredentialError."""
    return _restricted_key(KEY, KEY_FILE)


def checkout_key() -> str:
    """Return the restricted key with which the checkout makes sessions; raises CredentialError."""
    return _restricted_key(CHECKOUT_KEY, CHECKOUT_KEY_FILE)


def checkout_secrets() -> tuple[str, ...]:
    """Return the secrets of links to the checkout; two during a rotation. Raises CredentialError."""
    lines = _lines(CHECKOUT_SECRETS, CHECKOUT_SECRETS_FILE)
    if not lines or not all(_OWN_SECRET.fullmatch(line) for line in lines):
        raise CredentialError(
            f"{CHECKOUT_SECRETS}: each line must have at least 32 letters and digits; 'openssl rand -hex 32' makes one"
        )
    return tuple(lines)


def has_checkout_secrets() -> bool:
    """Return whether the secrets of links are set; without them, silo makes no links to the checkout."""
    given = os.environ.get(DIRECTORY, "")
    return bool(os.environ.get(CHECKOUT_SECRETS_FILE)) or bool(given and (Path(given) / CHECKOUT_SECRETS).is_file())


def _restricted_key(name: str, variable: str) -> str:
    lines = _lines(name, variable)
    if len(lines) != 1 or not _KEY.fullmatch(lines[0]):
        raise CredentialError(
            f"{name}: it must be one line with a key that begins with rk_live_ (or rk_test_ for a test). Stripe's "
            "dashboard shows it once, under Developers, API keys, Restricted keys"
        )
    return lines[0]


def secrets() -> tuple[str, ...]:
    """Return the secrets with which Stripe signs events; two during a rotation. Raises CredentialError."""
    lines = _lines(SECRETS, SECRETS_FILE)
    if not lines or not all(_SECRET.fullmatch(line) for line in lines):
        raise CredentialError(
            f"{SECRETS}: each line must be a secret that begins with whsec_. Stripe's dashboard shows it at the "
            "webhook's endpoint"
        )
    return tuple(lines)


def _lines(name: str, variable: str) -> list[str]:
    path = _path(name, variable)
    try:
        text = path.read_text(encoding="ascii")
    except OSError as error:
        raise CredentialError(f"{name}: {path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise CredentialError(f"{name}: {path} is not ASCII, so it cannot be a key") from None
    return [line for line in (line.strip() for line in text.splitlines()) if line]


def _path(name: str, variable: str) -> Path:
    given = os.environ.get(DIRECTORY, "")
    if given and (path := Path(given) / name).is_file():
        return path
    named = os.environ.get(variable, "")
    if not named:
        raise CredentialError(f"{name}: it is not set; {variable} must name the file that contains it, of mode 0600")
    path = Path(named).expanduser()
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise CredentialError(f"{name}: {path} cannot be read: {error.strerror}") from None
    if mode & 0o077:
        raise CredentialError(f"{name}: others can read {path}; set its mode to 0600")
    return path
