# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The token of a one-time link, which encrypts the admin's password; the server does not store the token."""

from __future__ import annotations

import base64
import hashlib
import re

try:
    from cryptography.fernet import Fernet
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    HAS_CRYPTOGRAPHY = True
except ImportError:
    HAS_CRYPTOGRAPHY = False

TOKEN_BYTES = 32
_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")


class SealError(Exception):
    """Encryption is not available; the text says why."""


def is_token(text: str) -> bool:
    """Return whether this has the form of a token: TOKEN_BYTES in URL-safe base64."""
    return _TOKEN.fullmatch(text) is not None


def digest(token: str) -> str:
    """Return the hash by which the server recognizes a token."""
    return hashlib.sha256(token.encode()).hexdigest()


def password(token: str) -> str:
    """Return a password derived from the token, for an admin whose password is unknown; raises SealError."""
    return derive_key(token, b"silo access password").decode()


def seal(token: str, secret: str) -> str:
    """Return `secret` encrypted with the token; raises SealError."""
    return Fernet(derive_key(token, b"silo access ticket")).encrypt(secret.encode()).decode()


def unseal(token: str, sealed: str) -> str:
    """Return the decrypted secret; raises SealError, and Fernet's InvalidToken for another token."""
    return Fernet(derive_key(token, b"silo access ticket")).decrypt(sealed.encode()).decode()


def derive_key(token: str, purpose: bytes) -> bytes:
    """Return the key of Fernet that a random text makes for one purpose; raises SealError."""
    if not HAS_CRYPTOGRAPHY:
        raise SealError("cryptography is not installed")
    key = HKDF(SHA256(), length=32, salt=None, info=purpose).derive(token.encode())
    return base64.urlsafe_b64encode(key)
