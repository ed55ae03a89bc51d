import datetime
import ssl

import pytest
from cryptography import x509

from tests.lab import certificates

NAMES, ADDRESSES = ["registry.swissphoto.test", "localhost"], ["172.29.0.3"]


def made(directory):
    return certificates.ensure(directory, NAMES, ADDRESSES)


def test_made_once_and_then_kept(directory):
    assert made(directory) == "made"
    before = directory.certificate.read_text()
    assert made(directory) == "there"
    assert directory.certificate.read_text() == before
    assert directory.key.stat().st_mode & 0o777 == 0o600


def test_the_authority_verifies_the_certificate_by_name_and_address(directory):
    made(directory)
    for host in (*NAMES, *ADDRESSES):
        assert handshake(directory, host)
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(directory, "hans.swissphoto.test")


def handshake(directory, host):
    """A TLS handshake in memory."""
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(directory.certificate, directory.key)
    wires = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = serving.wrap_bio(wires[0], wires[1], server_side=True)
    asking = ssl.create_default_context(cafile=directory.lab_ca)
    client = asking.wrap_bio(wires[1], wires[0], server_hostname=host)
    for side in (client, server, client, server):
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue
    return client.getpeercert()


@pytest.mark.parametrize("harm", ["key", "certificate", "lab_ca"])
def test_made_anew_where_a_file_is_missing_or_broken(directory, harm):
    made(directory)
    getattr(directory, harm).unlink()
    assert made(directory) == "made"
    getattr(directory, harm).write_text("-----BEGIN NOTHING-----")
    assert made(directory) == "made"


def test_made_anew_where_the_files_of_two_runs_are_mixed(directory):
    made(directory)
    old = directory.lab_ca.read_text()
    directory.key.unlink()
    made(directory)
    directory.lab_ca.write_text(old)
    assert made(directory) == "made"


def test_made_anew_for_another_address_and_before_it_expires(directory, monkeypatch):
    made(directory)
    assert certificates.ensure(directory, NAMES, ["172.29.1.3"]) == "made"
    monkeypatch.setattr(certificates, "RENEW_BEFORE", datetime.timedelta(days=366))
    assert certificates.ensure(directory, NAMES, ["172.29.1.3"]) == "made"


def test_only_the_authority_may_sign(directory):
    made(directory)
    leaf = x509.load_pem_x509_certificate(directory.certificate.read_bytes())
    authority = x509.load_pem_x509_certificate(directory.lab_ca.read_bytes())
    is_authority = [
        certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
        for certificate in (leaf, authority)
    ]
    assert is_authority == [False, True]
