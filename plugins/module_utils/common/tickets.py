# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The token of a one-time link, and what it opens: the controller seals, the server unseals and keeps no token."""

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
    """Nothing can be sealed or unsealed here; the text says why."""


def is_token(text: str) -> bool:
    """Whether this can be the token of a link: TOKEN_BYTES in base64 as URLs have it."""
    return _TOKEN.fullmatch(text) is not None


def digest(token: str) -> str:
    """Return the hash by which the server knows a token again."""
    return hashlib.sha256(token.encode()).hexdigest()


def password(token: str) -> str:
    """Return the password that belongs to a token, for an admin whose own nobody knows; raises SealError."""
    return _derive(token, b"silo access password").decode()


def seal(token: str, secret: str) -> str:
    """Return `secret` encrypted, so that the token alone opens it; raises SealError."""
    return Fernet(_derive(token, b"silo access ticket")).encrypt(secret.encode()).decode()


def unseal(token: str, sealed: str) -> str:
    """Return what was sealed with the token; raises SealError, and Fernet's InvalidToken for another token."""
    return Fernet(_derive(token, b"silo access ticket")).decrypt(sealed.encode()).decode()


def _derive(token: str, purpose: bytes) -> bytes:
    if not HAS_CRYPTOGRAPHY:
        raise SealError("cryptography is not installed")
    key = HKDF(SHA256(), length=32, salt=None, info=purpose).derive(token.encode())
    return base64.urlsafe_b64encode(key)
