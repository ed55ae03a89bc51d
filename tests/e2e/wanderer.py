"""Tries ways from networks that it goes into, and says how far each came. Runs on the server, by its own Python.

Reads {place: [[kind, address, what], ...]} as JSON, and writes {place: [word, ...]} in the same order. A place is the
file of a network. A kind of way, what it takes, and its words:

- `tcp`, a port: `open`; `refused`, which is also an answer; `silent`; `no way`, where the kernel does not even try
- `udp`, a port: the same; no service is asked in its language, so an open one is silent
- `ping`, nothing: `open`, `silent` or `no way`; an address of many (ff02::1) is open where another than itself answers
- `name`, a name: what the resolver at the address says: an address, or empty
- `http`, a host name and a path: status and the beginning of the body, or a word of tcp

It has nothing in common with what `silo verify` does, so that each can be wrong alone.
"""

import concurrent.futures
import errno
import json
import os
import random
import select
import socket
import struct
import subprocess
import sys
import threading
import time

SECONDS = 1.0
# A tenant has a bound of requests at the machine learning, which is not what is looked at here.
FEW = threading.Semaphore(4)
NO_WAY = (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.EACCES, errno.EINVAL)


def place_of(address, port):
    if ":" not in address:
        return socket.AF_INET, (address, port)
    cable = next((number for number, name in socket.if_nameindex() if name != "lo"), 0)
    return socket.AF_INET6, (address, port, 0, cable)


def word(error):
    if isinstance(error, ConnectionRefusedError):
        return "refused"
    if isinstance(error, TimeoutError):
        return "silent"
    return "no way" if error.errno in NO_WAY else f"error {error}"


def tcp(address, port):
    family, place = place_of(address, port)
    with socket.socket(family, socket.SOCK_STREAM) as way:
        way.settimeout(SECONDS)
        way.connect(place)
    return "open"


def udp(address, port):
    family, place = place_of(address, port)
    with socket.socket(family, socket.SOCK_DGRAM) as way:
        way.settimeout(SECONDS)
        way.connect(place)
        way.send(b"\0")
        way.recv(1)
    return "open"


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF


def own_addresses():
    text = subprocess.run(["ip", "-json", "address"], capture_output=True, text=True, check=True).stdout
    return {info["local"] for link in json.loads(text) for info in link.get("addr_info", [])}


def ping(address, _nothing):
    family, place = place_of(address, 0)
    # A number of its own, or the server takes it for one that it let through before.
    mark, number = os.urandom(16), random.getrandbits(16)
    if family == socket.AF_INET:
        protocol, answer, skip = socket.IPPROTO_ICMP, 0, 20
        blank = struct.pack("!BBHHH", 8, 0, 0, number, 1)
        head = struct.pack("!BBHHH", 8, 0, checksum(blank + mark), number, 1)
    else:
        # The kernel calculates the checksum of this one.
        protocol, answer, skip = socket.IPPROTO_ICMPV6, 129, 0
        head = struct.pack("!BBHHH", 128, 0, 0, number, 1)
    # Who asks many is one of them.
    mine = own_addresses() if address.startswith("ff02:") else ()
    with socket.socket(family, socket.SOCK_RAW, protocol) as way:
        way.sendto(head + mark, place)
        end = time.monotonic() + SECONDS
        while (left := end - time.monotonic()) > 0 and select.select([way], [], [], left)[0]:
            data, sender = way.recvfrom(2048)
            if data[skip] == answer and data[skip + 8 :] == mark and sender[0].partition("%")[0] not in mine:
                return "open"
    return "silent"


def name(address, wanted):
    parts = b"".join(bytes([len(part)]) + part.encode() for part in wanted.split("."))
    question = struct.pack("!HHHHHH", 4711, 0x0100, 1, 0, 0, 0) + parts + b"\0" + struct.pack("!HH", 1, 1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as way:
        # The embedded resolver may ask others first, where it should not.
        way.settimeout(5)
        way.sendto(question, (address, 53))
        answer = way.recv(2048)
    (answers,) = struct.unpack("!H", answer[6:8])
    # An A record ends with its address, and nothing comes after the last.
    return socket.inet_ntoa(answer[-4:]) if answers else ""


def http(address, what):
    port, host, path = what
    with FEW, socket.create_connection((address, port), timeout=5) as way:
        way.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        answer = b"".join(iter(lambda: way.recv(4096), b""))
    head, _gap, body = answer.partition(b"\r\n\r\n")
    return f"{head.split()[1].decode()} {body[:400].decode(errors='replace')}"


KINDS = {"tcp": tcp, "udp": udp, "ping": ping, "name": name, "http": http}


def tried(way):
    kind, address, what = way
    try:
        return KINDS[kind](address, what)
    except OSError as error:
        return word(error)


def inside():
    with concurrent.futures.ThreadPoolExecutor(256) as pool:
        json.dump(list(pool.map(tried, json.load(sys.stdin))), sys.stdout)


def main():
    places = json.load(sys.stdin)
    # Each begins before the first is waited for: one list takes at most seconds, and all of them no more.
    visits = {}
    for place, ways in places.items():
        command = ["nsenter", f"--net={place}", sys.executable, __file__, "inside"]
        visit = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        visit.stdin.write(json.dumps(ways))
        visit.stdin.close()
        visits[place] = visit
    found = {place: json.loads(visit.stdout.read()) for place, visit in visits.items()}
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    inside() if sys.argv[1:] else main()
