"""Processes, read from the kernel's own files: from real ones, and from those of containers."""

import os
import subprocess
import sys

import pytest
from ansible_collections.swissphoto.silo.plugins.module_utils.diagnostics import process

STATUS = """Name:\t{name}
Umask:\t0022
Uid:\t{uid}\t{uid}\t{uid}\t{uid}
Gid:\t200001\t200001\t200001\t200001
Groups:\t{groups}
CapInh:\t0000000000000000
CapPrm:\t{caps}
CapEff:\t{caps}
CapBnd:\t{caps}
CapAmb:\t0000000000000000
NoNewPrivs:\t1
Seccomp:\t2
Seccomp_filters:\t1
"""

LIMITS = """Limit                     Soft Limit           Hard Limit           Units
Max core file size        {core}                    {core}                    bytes
Max open files            {files}                {files}                files
"""


@pytest.fixture
def host(tmp_path):
    """Writes processes of one container; a control group of version 2."""
    group = tmp_path / "cgroup" / "docker-1.scope"
    group.mkdir(parents=True)

    class Host:
        proc, cgroup = tmp_path / "proc", tmp_path / "cgroup"

        def write(
            self, number, name="node", uid=200001, groups="", caps="0" * 16, environ=b"A=1\0", core=0, files=16384
        ):
            folder = self.proc / str(number)
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "status").write_text(STATUS.format(name=name, uid=uid, groups=groups, caps=caps))
            (folder / "oom_score_adj").write_text("100\n")
            (folder / "limits").write_text(LIMITS.format(core=core, files=files))
            (folder / "environ").write_bytes(environ)
            (folder / "cmdline").write_bytes(b"node\0main.js\0")
            (folder / "cgroup").write_text("0::/docker-1.scope\n")

        def group(self, *numbers):
            (group / "cgroup.procs").write_text("".join(f"{number}\n" for number in numbers))

        def read(self, main=10, settle=0.0):
            return process.read(main, self.cgroup, self.proc, settle)

    return Host()


def test_all_processes_of_a_container(host):
    host.write(10, "docker-init")
    host.write(11, groups="200001 ")
    host.group(10, 11)
    first, second = host.read()
    assert (first.name, first.number, second.number) == ("docker-init", 10, 11)
    assert second.users == second.groups == {200001}
    assert set(second.capabilities.values()) == {0}
    assert (second.no_new_privileges, second.seccomp) == (True, 2)
    assert (second.memory_order, second.dumps, second.open_files) == (100, False, 16384)
    assert (second.arguments, second.environment) == (b"node\0main.js\0", b"A=1\0")
    assert "A=1" not in repr(second)
    assert "main.js" not in repr(second)


def test_one_that_differs_is_looked_at_twice(host, monkeypatch):
    """A health check is root's for a moment, before the engine has bounded it."""
    host.write(10)
    host.write(12, "runc:[2:INIT]", uid=0, caps="000001ffffffffff")
    host.group(10, 12)
    monkeypatch.setattr(process.time, "sleep", lambda _seconds: host.group(10))
    assert [one.number for one in host.read()] == [10]


def test_one_that_differs_and_stays_is_told(host):
    host.write(10)
    host.write(12, uid=0, caps="000001ffffffffff")
    host.group(10, 12)
    assert [one.users for one in host.read()] == [{200001}, {0}]


@pytest.mark.parametrize("core", [1024, "unlimited"])
def test_one_that_may_leave_a_core(host, core):
    host.write(10, core=core)
    host.group(10)
    assert [one.dumps for one in host.read()] == [True]


def test_what_has_ended_is_left_out(host):
    host.write(10)
    host.group(10, 13)
    assert [one.number for one in host.read()] == [10]
    assert host.read(main=99) == ()


def test_a_real_process(tmp_path):
    (found,) = process.read(os.getpid(), cgroup=tmp_path)
    assert found.number == os.getpid()
    assert os.geteuid() in found.users
    assert os.getegid() in found.groups


def test_a_real_process_its_arguments_and_its_environment(tmp_path):
    waits = "import sys; print(flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", waits], env={"MARK": "seen"}, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        child.stdout.readline()
        (found,) = process.read(child.pid, cgroup=tmp_path)
        child.communicate()
    assert b"MARK=seen" in found.environment.split(b"\0")
    assert found.arguments.split(b"\0")[1:3] == [b"-c", waits.encode()]


@pytest.mark.skipif(os.geteuid() != 0, reason="root alone becomes somebody else")
@pytest.mark.parametrize("bounded", [True, False])
def test_what_the_kernel_says_of_a_process_that_is_bounded_and_of_one_that_is_not(tmp_path, bounded):
    bounds = ["--no-new-privs", "--bounding-set=-all", "--inh-caps=-all"] if bounded else []
    command = ["setpriv", "--reuid=200001", "--regid=200001", "--clear-groups", *bounds, "sh", "-c", "echo; read end"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        child.stdout.readline()
        (found,) = process.read(child.pid, cgroup=tmp_path)
        child.communicate(b"\n")
    assert found.users == found.groups == {200001}
    assert (found.no_new_privileges, found.capabilities["CapBnd"] == 0) == (bounded, bounded)
    assert found.capabilities["CapEff"] == 0
