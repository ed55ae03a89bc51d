"""What a machine says of itself is read with a bound, and nothing of it is believed beyond its form."""

import shutil
import subprocess
import time
from pathlib import Path

import pytest
from ansible_collections.swissphoto.silo.plugins.module_utils.common.process import Completed
from hypothesis import given
from hypothesis import strategies as st

from silo.setup import machine
from silo.setup.errors import SetupError
from silo.setup.machine import Disk, Listener
from silo.setup.target import Target

from .answered import KEY, NOW, SAYS

TARGET = Target("192.0.2.10")


def test_a_machine_says_what_it_is():
    report = machine.report(SAYS, NOW, NOW + 1)
    assert (report.system, report.release, report.memory, report.free) == ("debian", "13", 131739648 * 1024, 9 * 10**11)
    assert (report.is_root, report.has_python, report.has_foreign_engine, report.clock) == (True, True, False, 0)


def test_what_listens_for_this_machine_alone_is_no_affair_of_the_firewall():
    listeners = machine.report(SAYS, NOW, NOW + 1).listeners
    assert Listener("tcp", 9100, "node_exporter") in listeners
    assert Listener("udp", 51820, "") in listeners
    assert not [one for one in listeners if one.port == 631]
    assert len([one for one in listeners if one.port == 22]) == 1, "once for both families"


def test_only_empty_disks_are_offered_by_names_that_stay():
    assert machine.report(SAYS, NOW, NOW + 1).disks == (
        Disk("/dev/disk/by-id/ata-ST8000VN004_ZR1", 8001563222016, rotates=True),
        Disk("/dev/disk/by-id/nvme-Samsung_PM9A3", 960197124096),
    )


@pytest.mark.parametrize(
    ("seconds", "ahead"), [("100.5", 0.0), ("90.0", -10.0), ("131.0", 30.0), ("no time", 0.0), ("1e9", 0.0)]
)
def test_a_clock_is_wrong_by_no_more_than_the_call_cannot_explain(seconds, ahead):
    assert machine.report(f"time {seconds}\n", 100.0, 101.0).clock == ahead


@given(
    st.text(max_size=200)
    | st.sampled_from(SAYS.splitlines()).flatmap(lambda line: st.text(max_size=5).map(line.__add__))
)
def test_whatever_a_machine_says_is_no_crash_and_acts_nowhere(text):
    report = machine.report(text, NOW, NOW + 1)
    assert report.system.isprintable()
    assert report.release.isprintable()
    assert all(machine.DEVICE.fullmatch(disk.path) for disk in report.disks)
    assert all(one.name.isprintable() for one in report.listeners)


@pytest.mark.parametrize(
    "disks",
    ["[]", "{}", '{"blockdevices": 1}', '{"blockdevices": [1, {"name": 2, "type": "disk", "size": 9}]}', "[" * 100_000],
)
def test_a_list_of_disks_that_is_none_has_none(disks):
    assert machine.report(f"disks {disks}\n", NOW, NOW).disks == ()


@pytest.fixture
def ssh(monkeypatch):
    """A machine behind ssh: what it answers, and how it was called."""

    class Ssh:
        answer, called, known = Completed(0, SAYS), None, ""

    def run(command, **options):
        Ssh.called, Ssh.options = list(command), options
        (known,) = [word.partition("=")[2] for word in command if word.startswith("UserKnownHostsFile=")]
        Ssh.known = Path(known).read_text()
        return Ssh.answer

    monkeypatch.setattr(machine.process, "run", run)
    return Ssh


def test_the_login_takes_the_compared_key_alone_and_asks_nobody(ssh):
    machine.look(Target("2001:db8::10", "admin", 2222), KEY, Path("/root/key"))
    assert ssh.known == f"[2001:db8::10]:2222 {KEY.kind} {KEY.blob}\n"
    assert {"BatchMode=yes", "StrictHostKeyChecking=yes"} <= set(ssh.called)
    assert ssh.called[-7:-1] == ["-p", "2222", "-l", "admin", "--", "2001:db8::10"]
    assert ssh.called[-1] == "sudo -n sh -s"
    assert ssh.called[ssh.called.index("-i") + 1] == "/root/key"
    assert ssh.options["text"] == machine.SCRIPT
    machine.look(TARGET, KEY)
    assert ssh.called[-1] == "sh -s"
    assert "-i" not in ssh.called


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ("root@192.0.2.10: Permission denied (publickey).\n", "put one there with 'ssh-copy-id root@192.0.2.10'"),
        ("sudo: a password is required\n", "root must become root without a password"),
        ("\x1b[31mkex error\n\n", r"no login: \\x1b\[31mkex error"),
        ("", "no login: ssh says nothing"),
    ],
)
def test_a_refused_login_says_what_to_do(ssh, said, sentence):
    ssh.answer = Completed(255, "", said)
    with pytest.raises(SetupError, match=sentence):
        machine.look(TARGET, KEY)


def test_a_machine_that_hangs_is_one_sentence(ssh):
    ssh.answer = Completed(-9, "", "", "did not end within 60 s")
    with pytest.raises(SetupError, match="the look at it did not end within 60 s"):
        machine.look(TARGET, KEY)


@pytest.mark.skipif(shutil.which("lsblk") is None, reason="no lsblk here")
def test_the_script_itself_is_one_that_a_shell_takes():
    before = time.time()
    done = subprocess.run(["sh", "-s"], input=machine.SCRIPT, capture_output=True, text=True, timeout=60, check=True)
    report = machine.report(done.stdout, before, time.time())
    assert report.memory > 0
    assert report.has_python
    assert report.clock == 0
