"""Passwords and tokens: what is stored never opens a door by itself."""

import base64
import hashlib
import hmac
import secrets

_COST = {"n": 2**14, "r": 8, "p": 1}
"""scrypt parameters: 16 MB and about 50 ms for each password."""


def hash_password(password: str) -> str:
    """What is stored for a password: salt and digest. Blocks for some 50 ms."""
    salt = secrets.token_bytes(16)
    digest = hashlib.scrypt(password.encode(), salt=salt, **_COST)
    return f"scrypt${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}"


def verify_password(password: str, stored: str) -> bool:
    """Whether the password is the one that was stored. Blocks for some 50 ms."""
    _, salt, digest = stored.split("$")
    given = hashlib.scrypt(password.encode(), salt=base64.b64decode(salt), **_COST)
    return hmac.compare_digest(given, base64.b64decode(digest))


def new_token() -> str:
    """A random secret for a session or an API key."""
    return secrets.token_urlsafe(32)


def token_digest(token: str) -> bytes:
    """What is stored for a token. No salt: a token is random and long."""
    return hashlib.sha256(token.encode()).digest()
