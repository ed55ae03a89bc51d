import pytest
from photo_server.environment import read_environment
from photo_server.proxies import client_address, is_trusted

TRUSTED = read_environment({"IMMICH_TRUSTED_PROXIES": "10.83.0.1"}).trusted_proxies


@pytest.mark.parametrize(
    ("peer", "forwarded_for", "client"),
    [
        ("10.83.0.1", "203.0.113.9", "203.0.113.9"),
        ("10.83.0.1", "198.51.100.1, 203.0.113.9", "203.0.113.9"),  # what the client wrote itself does not count
        ("10.83.0.1", "", "10.83.0.1"),
        ("10.83.0.9", "203.0.113.9", "10.83.0.9"),  # a neighbour is no proxy
        ("127.0.0.1", "203.0.113.9, 10.83.0.1", "203.0.113.9"),
    ],
)
def test_the_client_is_the_last_hop_that_no_trusted_proxy_has(peer, forwarded_for, client):
    assert client_address(peer, forwarded_for, TRUSTED) == client


def test_what_is_no_address_is_not_trusted():
    assert not is_trusted("unix:", TRUSTED)
