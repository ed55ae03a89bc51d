"""A look at the NAS: what is there, what is not, and an answer in time where the NAS gives none."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from ansible_collections.swissphoto.silo.plugins.module_utils.tenant import probe

from tests.unit.patience import PATIENCE


@pytest.fixture
def nas(tmp_path):
    root = tmp_path / "nas"
    (root / "hans" / "uploads").mkdir(parents=True)
    (root / ".silo-nas").touch()
    return root


@pytest.fixture
def mounts(tmp_path, nas):
    path = tmp_path / "mountinfo"
    path.write_text(f"36 1 0:40 / {nas} rw,noatime shared:1 - btrfs /dev/loop0 rw\n")
    return path


@pytest.fixture
def command(tmp_path):
    """The command as it is, with a lock of the test's own."""
    return tuple(str(tmp_path / "lock") if part == probe.LOCK else part for part in probe.COMMAND)


def test_what_is_there_is_found_and_nothing_else(nas, mounts, command):
    (nas / "file").touch()
    directories = [nas / "hans" / "uploads", nas / "maria" / "uploads", nas / "file"]
    storage = probe.look(nas / ".silo-nas", directories, mounts=mounts, command=command)
    assert storage == probe.Storage(directories=frozenset({nas / "hans" / "uploads"}))


def test_the_lock_is_for_nobody_else_to_hold(tmp_path, nas, mounts, command):
    probe.look(nas / ".silo-nas", mounts=mounts, command=command)
    assert (tmp_path / "lock").stat().st_mode & 0o777 == 0o600


def test_names_with_blanks_and_lines_are_found(nas, mounts, command):
    odd = nas / "a b\nc"
    odd.mkdir()
    assert probe.look(nas / ".silo-nas", [odd], mounts=mounts, command=command).directories == {odd}


def test_a_bare_mount_point_is_not_the_nas_whatever_lies_on_it(nas, mounts, command):
    mounts.write_text(f"36 1 0:40 / {nas}2 rw - btrfs /dev/loop0 rw\n")
    storage = probe.look(nas / ".silo-nas", mounts=mounts, command=command)
    assert storage.problem == f"the NAS is not mounted: nothing is mounted at {nas}"


def test_another_file_system_in_its_place_is_not_the_nas(nas, mounts, command):
    (nas / ".silo-nas").unlink()
    storage = probe.look(nas / ".silo-nas", [nas / "hans" / "uploads"], mounts=mounts, command=command)
    reason = f"{nas}/.silo-nas: No such file or directory"
    assert storage == probe.Storage(f"the file system mounted at {nas} is not the NAS: {reason}")


def test_a_mount_point_with_a_blank_is_recognised(tmp_path):
    mounts = tmp_path / "mountinfo"
    mounts.write_text("36 1 0:40 / /the\\040instances rw - btrfs /dev/loop0 rw\n")
    assert probe.mounted(Path("/the instances"), mounts)


def test_a_nas_that_hangs_is_told_in_time(nas, mounts):
    begun = time.monotonic()
    storage = probe.look(nas / ".silo-nas", seconds=0.3, mounts=mounts, command=("sh", "-c", "exec sleep 600"))
    assert time.monotonic() - begun < PATIENCE
    assert storage.problem == f"the NAS does not answer: {nas}/.silo-nas could not be read within 0.3 s"


def test_a_look_that_cannot_even_be_killed_is_left_to_itself(nas, mounts, monkeypatch):
    """As in a system call that waits for the NAS: here the signal is lost."""
    children = []
    monkeypatch.setattr(os, "killpg", lambda number, _sign: children.append(number))
    begun = time.monotonic()
    storage = probe.look(nas / ".silo-nas", seconds=0.3, mounts=mounts, command=("sh", "-c", "exec sleep 600"))
    monkeypatch.undo()
    try:
        assert time.monotonic() - begun < PATIENCE
        assert "does not answer" in storage.problem
        assert Path(f"/proc/{children[0]}").exists()
    finally:
        os.killpg(children[0], signal.SIGKILL)


def test_looks_do_not_pile_up_behind_one_that_hangs(nas, mounts, command):
    hanging = subprocess.Popen([*command[:3], "sh", "-c", "echo held; exec sleep 600"], stdout=-1)
    try:
        assert hanging.stdout.readline() == b"held\n"
        storage = probe.look(nas / ".silo-nas", seconds=0.3, mounts=mounts, command=command)
        assert "does not answer" in storage.problem
    finally:
        hanging.kill()
        hanging.wait()
    assert probe.look(nas / ".silo-nas", mounts=mounts, command=command).problem == ""
