"""From inside hans' photo server, no call leads out of his quota; without the profile, each of them does its work."""

import json

import pytest

# By the system call itself, with a request of 64 bits: the kernel looks at the lower 32.
TRIAL = """
import ctypes, errno, json, os, platform, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
number = {"x86_64": 16, "aarch64": 29}[platform.machine()]
place = sys.argv[1]
os.makedirs(place)
handle = os.open(place, os.O_RDONLY)

def call(request, argument):
    buffer = ctypes.create_string_buffer(argument, 8192)
    code = libc.syscall(ctypes.c_long(number), ctypes.c_long(handle), ctypes.c_ulong(request), buffer)
    return "done" if code == 0 else errno.errorcode[ctypes.get_errno()]

def volume(name):
    return struct.pack("=q4088s", 0, name.encode())

high = 1 << 32
print(json.dumps({
    "project": call(0x401c5820, bytes(28)),
    "project, high bit": call(high | 0x401c5820, bytes(28)),
    "flags": call(0x40086602, bytes(8)),
    "subvolume": call(0x5000940e, volume("nested1")),
    "subvolume, high bit": call(high | 0x5000940e, volume("nested2")),
    "subvolume, second kind": call(0x50009418, struct.pack("=qQQ32x4040s", 0, 0, 0, b"nested3")),
    "reading of flags": call(0x80086601, bytes(8)),
    "reading of the project": call(0x801c581f, bytes(28)),
}))
"""
ESCAPES = {"project", "flags", "subvolume", "project, high bit", "subvolume, high bit", "subvolume, second kind"}
READINGS = {"reading of flags", "reading of the project"}


@pytest.fixture
def place(lab):
    """A directory for the trial, as seen in the container; gone afterwards with all that came of it."""
    yield "/data/trial"
    lab.shell(
        "cd /instances/hans/uploads/trial 2>/dev/null || exit 0\n"
        "for nested in nested*; do [ ! -d $nested ] || btrfs --quiet subvolume delete $nested; done\n"
        "cd ..; rmdir trial"
    )


def nested(lab):
    return lab.shell("ls /instances/hans/uploads/trial").split()


@pytest.mark.needs_property("python")
def test_no_call_leads_out_of_the_quota(lab, place):
    done = json.loads(lab.run("docker", "exec", "silo-hans-server-1", "python3", "-c", TRIAL, place))
    assert {name: done[name] for name in ESCAPES} == dict.fromkeys(ESCAPES, "EPERM")
    assert {name: done[name] for name in READINGS} == dict.fromkeys(READINGS, "done")
    assert nested(lab) == []


@pytest.mark.needs_property("python")
def test_without_the_profile_each_of_them_does_its_work(lab, place):
    """The same trial, so that the one above can fail."""
    image = lab.inspect("silo-hans-server-1")["Config"]["Image"]
    user = lab.inspect("silo-hans-server-1")["Config"]["User"]
    like_hans = ["--user", user, "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--network", "none"]
    mount = ["--volume", "/instances/hans/uploads:/data", "--entrypoint", "python3"]
    done = json.loads(lab.run("docker", "run", "--rm", *like_hans, *mount, image, "-c", TRIAL, place))
    assert done == dict.fromkeys(ESCAPES | READINGS, "done")
    assert nested(lab) == ["nested1", "nested2", "nested3"]


@pytest.mark.parametrize("service", ["server", "database", "cache"])
def test_every_container_of_a_tenant_has_it(lab, service):
    (option,) = [
        option
        for option in lab.inspect(f"silo-hans-{service}-1")["HostConfig"]["SecurityOpt"]
        if option.startswith("seccomp=")
    ]
    profile = json.loads(option.removeprefix("seccomp="))
    whole = [rule for rule in profile["syscalls"] if "ioctl" in rule["names"] and not rule.get("args")]
    assert profile["defaultAction"] == "SCMP_ACT_ERRNO"
    assert whole == []
    assert "openat" in {name for rule in profile["syscalls"] for name in rule["names"]}


# As its owner takes a directory out of the project that counts it, and lets nothing new join.
LEAVE = """
import ctypes, errno, os, platform, sys
libc = ctypes.CDLL(None, use_errno=True)
number = {"x86_64": 16, "aarch64": 29}[platform.machine()]
place = ctypes.c_long(os.open("/data", os.O_RDONLY))
request = ctypes.c_ulong(int(sys.argv[1], 16))
code = libc.syscall(ctypes.c_long(number), place, request, ctypes.create_string_buffer(bytes(28)))
print("done" if code == 0 else errno.errorcode[ctypes.get_errno()])
"""
XFS = """
command -v mkfs.xfs >/dev/null || {
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends xfsprogs >/dev/null
}
truncate -s 400M /srv/escape.img
mkfs.xfs -q /srv/escape.img
mkdir /srv/escape
mount -o loop /srv/escape.img /srv/escape
"""


@pytest.fixture
def counted(lab):
    """A directory of hans' on XFS, counted under the project 7; the project under which it is then."""
    user = lab.inspect("silo-hans-server-1")["Config"]["User"].replace(":", " -g ")
    lab.shell(XFS)
    lab.shell(
        f"install -d -o {user} /srv/escape/theirs; cd /srv/escape/theirs; xfs_io -r -c 'chproj 7' -c 'chattr +P' ."
    )
    yield lambda: lab.run("xfs_io", "-r", "-c", "lsproj", "/srv/escape/theirs").split()[-1]
    lab.shell("umount /srv/escape; rmdir /srv/escape; rm /srv/escape.img")


@pytest.mark.needs_property("python")
@pytest.mark.parametrize("request_number", ["0x401c5820", "0x1401c5820", "0xdeadbeef401c5820"])
def test_a_directory_of_xfs_stays_in_its_project(lab, counted, request_number):
    hans = lab.inspect("silo-hans-server-1")["Config"]
    like_hans = [
        "--user",
        hans["User"],
        "--cap-drop",
        "ALL",
        "--security-opt",
        "no-new-privileges",
        "--network",
        "none",
    ]
    run = ["docker", "run", "--rm", *like_hans, "--volume", "/srv/escape/theirs:/data", "--entrypoint", "python3"]
    trial = [hans["Image"], "-c", LEAVE, request_number]
    with_profile = ["--security-opt", "seccomp=/etc/silo/seccomp-1.json"]
    assert counted() == "7"
    assert lab.run(*run, *with_profile, *trial).strip() == "EPERM"
    assert counted() == "7"
    # The same trial without the profile.
    assert lab.run(*run, *trial).strip() == "done"
    assert counted() == "0"
