"""The certificate of a tenant's host name, as a browser sees it."""

from __future__ import annotations

import dataclasses
import datetime
import ssl

from ansible_collections.swissphoto.silo.plugins.module_utils.common import http_client, tls
from cryptography import x509
from cryptography.x509.oid import NameOID

TIMEOUT_SECONDS = 5


@dataclasses.dataclass(frozen=True)
class Certificate:
    """The issuer, the end of validity (UTC), and whether a browser would trust it."""

    issuer: str
    not_after: datetime.datetime
    trusted: bool


def _peer(host_name: str, address: tuple[str, int], context: ssl.SSLContext) -> x509.Certificate | None:
    raw = http_client.certificate(host_name, address, context, TIMEOUT_SECONDS)
    return x509.load_der_x509_certificate(raw) if raw else None


def read(host_name: str, address: str, ca_file: str = "", port: int = 443) -> Certificate | None:
    """Return the certificate for `host_name` at `address`; trusts `ca_file` in addition to the system's authorities.

    None if nothing answers.
    """
    context = ssl.create_default_context()
    if ca_file:
        context.load_verify_locations(ca_file)
    trusted = True
    try:
        try:
            certificate = _peer(host_name, (address, port), context)
        except ssl.SSLCertVerificationError:
            trusted = False
            certificate = _peer(host_name, (address, port), tls.unverified())
    except OSError:
        return None
    if certificate is None:
        return None
    names = certificate.issuer.get_attributes_for_oid(NameOID.COMMON_NAME)
    issuer = str(names[0].value) if names else certificate.issuer.rfc4514_string()
    return Certificate(issuer, certificate.not_valid_after_utc, trusted)
