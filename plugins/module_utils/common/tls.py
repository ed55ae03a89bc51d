# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""TLS without verification of the certificate authority."""

from __future__ import annotations

import ssl


def unverified() -> ssl.SSLContext:
    """Return a context that accepts any certificate, for callers that verify it elsewhere or not at all."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
