import os
import socket

import pytest

from tests.lab.command import LabError, Result
from tests.lab.engine import Engine

DOWN = Result(1, "", "Cannot connect to the Docker daemon")


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setattr("os.geteuid", lambda: 0)
    for name in ("run/docker/containerd", "run/containerd", "proc", "var/log"):
        (tmp_path / name).mkdir(parents=True)
    return tmp_path


def process(root, pid, name, state="S (sleeping)"):
    (root / f"proc/{pid}").mkdir()
    (root / f"proc/{pid}/status").write_text(f"Name:\t{name}\nUmask:\t0022\nState:\t{state}\nTgid:\t{pid}\n")


def test_an_engine_that_answers_is_used_as_it_is(machine, root):
    machine.answers = {"docker version": "28.0.1\n"}
    assert Engine(machine, root).ensure_running() == "28.0.1 runs"
    assert machine.calls == ["docker version --format '{{.Server.Version}}'"]


def test_without_systemd_dockerd_is_started_as_a_daemon(machine, root):
    machine.answers = {"docker version": [DOWN, DOWN, "20.10.24\n"]}
    assert Engine(machine, root).ensure_running() == "20.10.24 started"
    assert machine.asked("start") == ["start dockerd"]


def test_with_systemd_its_service_is_started(machine, root):
    (root / "run/systemd/system").mkdir(parents=True)
    machine.answers = {"docker version": [DOWN, "26.1.5\n"]}
    Engine(machine, root).ensure_running()
    assert machine.asked("start") == ["systemctl start docker.service"]


def test_an_engine_that_is_just_starting_is_waited_for_and_not_started_twice(machine, root):
    (root / "run/docker.pid").write_text("77")
    process(root, 77, "dockerd")
    machine.answers = {"docker version": [DOWN, DOWN, "20.10.24\n"]}
    Engine(machine, root).ensure_running()
    assert not machine.asked("start")
    assert (root / "run/docker.pid").exists()


@pytest.mark.parametrize(
    "alive", [None, ("nginx", "S (sleeping)"), ("dockerd", "Z (zombie)"), ("containerd", "Z (zombie)")]
)
def test_pid_files_of_the_dead_go_before_the_start(machine, root, alive):
    stale = [root / "run/docker.pid", root / "run/docker/containerd/containerd.pid"]
    for path in stale:
        path.write_text("77")
    if alive:
        process(root, 77, *alive)  # the number was given to another program, or nobody waited for the dead
    machine.answers = {"docker version": [DOWN, "20.10.24\n"]}
    Engine(machine, root).ensure_running()
    assert not [path for path in stale if path.exists()]
    assert machine.asked("start") == ["start dockerd"]


def test_a_containerd_that_lives_keeps_its_pid_file(machine, root):
    path = root / "run/docker/containerd/containerd.pid"
    path.write_text("78")
    process(root, 78, "containerd")
    Engine(machine, root).remove_remains()
    assert path.exists()


def test_a_socket_is_removed_only_where_nobody_listens(machine, root, monkeypatch):
    monkeypatch.chdir(root)  # the path of a socket has room for 108 characters
    dead, alive = root / "run/containerd/containerd.sock", root / "run/docker/containerd/containerd.sock"
    with socket.socket(socket.AF_UNIX) as first, socket.socket(socket.AF_UNIX) as second:
        first.bind(os.path.relpath(dead))
        second.bind(os.path.relpath(alive))
        second.listen()
        Engine(machine, root.relative_to(root)).remove_remains()
    assert not dead.exists()
    assert alive.exists()


def test_an_engine_that_never_comes_is_an_error_that_names_the_log(machine, root):
    machine.answers = {"docker version": DOWN}
    with pytest.raises(LabError, match=r"/var/log/docker\.log.*did not come"):
        Engine(machine, root).ensure_running()


def test_only_root_can_start_or_install(machine, root, monkeypatch):
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    machine.answers = {"docker version": DOWN}
    with pytest.raises(LabError, match="only root can start it"):
        Engine(machine, root).ensure_running()
    with pytest.raises(LabError, match=r"only root can install them: docker\.io"):
        Engine(machine, root).install(["docker.io"])


def test_what_is_missing_is_installed_and_then_started(machine, root, monkeypatch, capsys):
    here = {"iptables", "mmdebstrap", "ssh-keygen"}
    monkeypatch.setattr("tests.lab.engine.shutil.which", lambda name: name if name in here else None)
    monkeypatch.setattr("tests.lab.engine.NEEDED", (("docker", "docker.io"), ("iptables", "iptables")))
    machine.answers = {"docker version": [DOWN, DOWN, "26.1.5\n"]}
    Engine(machine, root).ensure()
    assert machine.calls[1:4] == [
        "apt-get update -qq",
        "apt-get install -y -qq --no-install-recommends docker.io",
        "apt-get install -y -qq --no-install-recommends docker-cli",
    ]
    assert machine.asked("start") == ["start dockerd"]
    assert "packages docker.io ... installed" in capsys.readouterr().out


def test_a_client_alone_is_no_engine(machine, root, monkeypatch):
    monkeypatch.setattr("tests.lab.engine.shutil.which", lambda name: name if name == "docker" else None)
    monkeypatch.setattr("tests.lab.engine.NEEDED", (("docker", "docker.io"),))
    machine.answers = {"docker version": [DOWN, DOWN, DOWN, "26.1.5\n"]}
    assert not Engine(machine, root).installed()
    Engine(machine, root).ensure()
    assert machine.asked("apt-get install") == ["apt-get install -y -qq --no-install-recommends docker.io"]
    assert machine.asked("start") == ["start dockerd"]


def test_an_engine_of_another_machine_that_answers_is_enough(machine, root, monkeypatch):
    monkeypatch.setattr("tests.lab.engine.shutil.which", lambda name: name if name == "docker" else None)
    monkeypatch.setattr("tests.lab.engine.NEEDED", (("docker", "docker.io"),))
    machine.answers = {"docker version": "28.0.1\n"}
    assert Engine(machine, root).installed()
    Engine(machine, root).ensure()
    assert not machine.asked("apt-get")
