# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What Postgres keeps of a password (SCRAM-SHA-256, RFC 5803): by it, a password is set that nobody is told."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os

ITERATIONS = 4096
"""As many as Postgres takes by itself."""
SALT_BYTES = 16


def verifier(password: str, salt: bytes = b"") -> str:
    """Return the text that Postgres takes in place of the password; raises ValueError where that is not plain ASCII."""
    if not (password.isascii() and password.isprintable()):
        raise ValueError("the password is not of plain ASCII letters")
    salt = salt or os.urandom(SALT_BYTES)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode("ascii"), salt, ITERATIONS)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    salt_text, stored_text, server_text = (base64.b64encode(part).decode() for part in (salt, stored, server))
    return f"SCRAM-SHA-256${ITERATIONS}:{salt_text}${stored_text}:{server_text}"
