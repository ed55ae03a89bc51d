"""The answers behind inventory/example, and what a server says of itself."""

import base64
import dataclasses
import json

from silo.setup import proposals
from silo.setup.answers import Answers, Machine, Place
from silo.setup.host_keys import HostKey
from silo.setup.target import Target

# A key of nobody, in the form of a real one.
BLOB = base64.b64encode(b"\0\0\0\x0bssh-ed25519\0\0\0 " + b"the key of nobody's first server").decode()
KEY = HostKey("ssh-ed25519", BLOB)
OTHER = HostKey(
    "ssh-rsa", base64.b64encode(b"\0\0\0\x07ssh-rsa" + b"another key of the same server, a long one").decode()
)
GIB = 1024**3

SERVER = Machine(
    "silo1",
    Target("192.0.2.10"),
    KEY,
    memory=proposals.memory(134_900_000_000).settings,
    uploads=Place(device="/dev/disk/by-id/virtio-uploads"),
    databases=Place(device="/dev/disk/by-id/virtio-databases"),
)
ANSWERS = Answers("swissphoto.ch", "ops@swissphoto.ch", SERVER, payment_url="mailto:ops@swissphoto.ch")


def with_server(**values):
    return dataclasses.replace(ANSWERS, server=dataclasses.replace(SERVER, **values))


def device(name, kind, size, *, rotates=False, fstype=None, at=None, **more):
    shown = {"name": name, "type": kind, "size": size, "fstype": fstype, "mountpoints": [at], "ro": False}
    return {**shown, "rota": rotates, **more}


SYSTEM = device("/dev/vda1", "part", 1099511627000, fstype="ext4", at="/")
DEVICES = [
    device("/dev/sda", "disk", 8001563222016, rotates=True),
    device("/dev/nvme0n1", "disk", 960197124096),
    device("/dev/vda", "disk", 1099511627776, children=[SYSTEM]),
    device("/dev/zram0", "disk", 99999999999),
]
SAYS = f"""\
user 0
system debian 13
memory 131739648
free 900000000000
python yes
tcp LISTEN 0      128          0.0.0.0:22         0.0.0.0:*    users:(("sshd",pid=700,fd=3))
tcp LISTEN 0      128             [::]:22            [::]:*    users:(("sshd",pid=700,fd=4))
tcp LISTEN 0      4096       127.0.0.1:631        0.0.0.0:*    users:(("cupsd",pid=9,fd=7))
tcp LISTEN 0      4096               *:9100             *:*    users:(("node_exporter",pid=801,fd=3))
udp UNCONN 0      0      0.0.0.0%eth0:68         0.0.0.0:*    users:(("dhclient",pid=500,fd=7))
udp UNCONN 0      0            0.0.0.0:51820      0.0.0.0:*
disks {json.dumps({"blockdevices": DEVICES})}
link wwn-0x5000c500a1b2c3d4 ../../sda
link ata-ST8000VN004_ZR1 ../../sda
link nvme-eui.0025 ../../nvme0n1
link nvme-Samsung_PM9A3 ../../nvme0n1
time 1796137094.405061333
"""
NOW = 1796137094.0
