"""The program as the role installs it: starts, tells systemd, serves, and ends with SIGTERM whatever is under way."""

import json
import signal
import socket
import subprocess
import sys
import time
import urllib.request

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible_collections.swissphoto.silo.plugins.action.zipapp import gather, pack

from tests.unit.forks import ROOT
from tests.unit.hostile_servers import serving
from tests.unit.patience import PATIENCE

from .conftest import TEXTUAL, form, request

ROLE = ROOT / "roles" / "machine_learning"
# The program, which at its end waits a moment only for what is under way, so that a test does not have to.
IMPATIENT = """
import sys

sys.path.insert(0, sys.argv[1])
from silo_learning_gate import __main__

__main__.GRACE_SECONDS = 0.5
__main__.main(sys.argv[2:])
"""


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as opened:
        return opened.getsockname()[1]


@pytest.fixture
def gate(tmp_path):
    """Gives a function: the program that runs, before a machine learning at this port, and its two ports.

    `how` is how Python starts it; without, as the role has it started.
    """
    loader = DataLoader()
    values = loader.load_from_file(str(ROLE / "vars" / "main.yml"), trusted_as_template=True)
    files = Templar(loader, {**values, "role_path": str(ROLE)}).template(values["__machine_learning_files"])
    program, started = tmp_path / "gate.pyz", []
    program.write_bytes(pack(gather(files), "silo_learning_gate"))

    def start(behind, *how):
        ports = free_port(), free_port()
        settings = {
            "url": f"http://127.0.0.1:{behind}",
            "address": "127.0.0.1",
            "port": ports[0],
            "local_port": ports[1],
            "models": [{"name": "ViT-B-32__openai", "task": "clip"}],
            "bounds": {},
        }
        (tmp_path / "gate.json").write_text(json.dumps(settings))
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notified:
            notified.bind(str(tmp_path / "n"))
            notified.settimeout(PATIENCE)
            command = [sys.executable, "-S", "-E", "-B", *how, str(program), str(tmp_path / "gate.json")]
            one = subprocess.Popen(
                command, env={"NOTIFY_SOCKET": str(tmp_path / "n")}, stdout=subprocess.PIPE, text=True
            )
            started.append(one)
            assert notified.recv(64) == b"READY=1"
        return one, *ports

    yield start
    for one in started:
        one.kill()
        one.wait()
        one.stdout.close()


def test_it_serves_and_ends(gate):
    with serving(lambda: [b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\npong"]) as (behind, _asked):
        process, port, local_port = gate(behind)
        for place in (f"{port}/hans/ping", f"{local_port}/ping"):
            with urllib.request.urlopen(f"http://127.0.0.1:{place}", timeout=PATIENCE) as answer:
                assert answer.read() == b"pong"
        with socket.create_connection(("127.0.0.1", port), PATIENCE) as opened:
            opened.sendall(request(form({"pose": {}}, text="a")))
            assert opened.recv(64).startswith(b"HTTP/1.1 422 ")
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0
    assert process.stdout.read().startswith("<4>hans: a request of its photo server is refused: entries: ")


def test_it_ends_also_while_the_machine_learning_is_silent(gate):
    with serving(lambda: (time.sleep(0.1) or b"" for _time in range(10**6))) as (behind, asked):
        process, port, _local_port = gate(behind, "-c", IMPATIENT)
        with socket.create_connection(("127.0.0.1", port), PATIENCE) as opened:
            opened.sendall(request(form(TEXTUAL, text="a cat")))
            while not asked:
                time.sleep(0.05)
            begun = time.monotonic()
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE) == 0
        assert time.monotonic() - begun < PATIENCE


def test_settings_that_cannot_be_read_end_it_with_a_sentence(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "silo_learning_gate", str(tmp_path / "none.json")],
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": f"{ROOT / 'server'}:{ROOT / 'collections'}"},
    )
    assert done.returncode == 1
    assert "none.json: the settings cannot be read: FileNotFoundError" in done.stderr
    assert "Traceback" not in done.stderr
