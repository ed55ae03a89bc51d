"""The lab's certificate authority, and the only certificate that it signs: for the registry and the ACME authority."""

import datetime
import ipaddress
from collections.abc import Sequence

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from .state import Directory

LIFE = datetime.timedelta(days=365)
RENEW_BEFORE = datetime.timedelta(days=30)


def ensure(directory: Directory, names: Sequence[str], addresses: Sequence[str]) -> str:
    """Create a certificate for these names and addresses, signed by the lab's authority; return what was done."""
    wanted = _alternatives(names, addresses)
    if _is_good(directory, wanted):
        return "there"
    authority_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    authority = _sign(f"{directory.name} certificate authority", authority_key, None, None, [])
    certificate = _sign(names[0], key, authority, authority_key, wanted)
    # The authority's key is not stored, because it signs nothing else.
    directory.write(directory.key, _pem_of(key))
    directory.write(directory.certificate, certificate.public_bytes(serialization.Encoding.PEM).decode())
    directory.write(directory.lab_ca, authority.public_bytes(serialization.Encoding.PEM).decode())
    return "made"


def _alternatives(names: Sequence[str], addresses: Sequence[str]) -> list[x509.GeneralName]:
    hosts: list[x509.GeneralName] = [x509.DNSName(name) for name in names]
    return hosts + [x509.IPAddress(ipaddress.ip_address(address)) for address in addresses]


def _is_good(directory: Directory, wanted: Sequence[x509.GeneralName]) -> bool:
    """Return whether key, certificate and authority match, have the right names and do not expire soon."""
    try:
        certificate = x509.load_pem_x509_certificate(directory.certificate.read_bytes())
        authority = x509.load_pem_x509_certificate(directory.lab_ca.read_bytes())
        key = serialization.load_pem_private_key(directory.key.read_bytes(), password=None)
        certificate.verify_directly_issued_by(authority)
    except (OSError, ValueError, InvalidSignature):
        return False
    named = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return (
        key.public_key() == certificate.public_key()
        and list(named) == list(wanted)
        and certificate.not_valid_after_utc - RENEW_BEFORE > datetime.datetime.now(datetime.UTC)
    )


def _sign(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: x509.Certificate | None,
    issuer_key: ec.EllipticCurvePrivateKey | None,
    hosts: Sequence[x509.GeneralName],
) -> x509.Certificate:
    """Return a certificate for `key`: of an authority if there is no issuer, else of the server `hosts`."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    start = datetime.datetime.now(datetime.UTC) - datetime.timedelta(hours=1)
    signer = issuer_key or key
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + LIFE)
        .add_extension(
            x509.BasicConstraints(ca=issuer is None, path_length=0 if issuer is None else None), critical=True
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
        .add_extension(_key_usage(authority=issuer is None), critical=True)
    )
    if hosts:
        builder = builder.add_extension(x509.SubjectAlternativeName(hosts), critical=False)
        server = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
        builder = builder.add_extension(server, critical=False)
    return builder.sign(signer, hashes.SHA256())


def _key_usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        key_cert_sign=authority,
        crl_sign=authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _pem_of(key: ec.EllipticCurvePrivateKey) -> str:
    formats = (serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return key.private_bytes(serialization.Encoding.PEM, *formats).decode()
