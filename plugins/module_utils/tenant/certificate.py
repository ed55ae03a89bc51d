# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The certificate of a new host name: Traefik asks for it when the route opens, and the authority takes its time."""

from __future__ import annotations

import socket
import ssl
import time

from .stack import StackError

POLL_SECONDS = 0.2


def presented(host_name: str, address: tuple[str, int]) -> bytes:
    """Return the certificate, as DER, that is presented for `host_name`; nothing where nobody answers."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with (
            socket.create_connection(address, timeout=5) as connection,
            context.wrap_socket(connection, server_hostname=host_name) as tls,
        ):
            return tls.getpeercert(binary_form=True) or b""
    except OSError:
        return b""


def names(certificate: bytes, host_name: str) -> bool:
    """Whether a certificate is for `host_name`, or for all names beside it; names stand in DER as they are."""
    return any(name.encode() in certificate for name in (host_name, f"*.{host_name.split('.', 1)[1]}"))


def wait(host_name: str, seconds: float, address: tuple[str, int] = ("127.0.0.1", 443)) -> None:
    """Wait until Traefik has the certificate for `host_name`; raises StackError where it does not come in `seconds`."""
    deadline = time.monotonic() + seconds
    while not names(presented(host_name, address), host_name):
        if time.monotonic() >= deadline:
            raise StackError(
                f"it runs, but no certificate of {host_name} came within {seconds:.0f} s; "
                "see what the authority says by 'docker logs silo-traefik-traefik-1' on the server"
            )
        time.sleep(POLL_SECONDS)
