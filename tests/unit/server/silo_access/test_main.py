"""The service as a process: it says when it is ready, forgets nothing when it is started again, and may be killed."""

import asyncio
import contextlib
import dataclasses
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import aiohttp
import pytest
import yaml
from ansible_collections.swissphoto.silo.plugins.action.zipapp import gather, pack

from tests.unit.patience import PATIENCE

from .conftest import FIRST, NEW, ROLE, TEXTS

VARIABLES = yaml.safe_load((ROLE / "vars" / "main.yml").read_text())
COMMON = VARIABLES["__access_common"]
FILES = {
    name: path.replace("{{ __access_common }}", COMMON).replace("{{ role_path }}", str(ROLE))
    for name, path in VARIABLES["__access_files"].items()
}


@contextlib.asynccontextmanager
async def process(world, directory):
    """The service with the settings of `world`, and what it wrote when it has ended."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        world.port = free.getsockname()[1]
    settings = directory / "settings.json"
    settings.write_text(json.dumps({**dataclasses.asdict(world.settings), "port": world.port}))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ready:
        channel = directory / "notify"
        channel.unlink(missing_ok=True)
        ready.bind(str(channel))
        ready.settimeout(PATIENCE)
        program = directory / "access.pyz"
        program.write_bytes(pack(gather(FILES), "silo_access"))
        service = subprocess.Popen(
            [sys.executable, str(program), str(settings)],
            cwd=directory,
            env={**os.environ, "NOTIFY_SOCKET": str(channel)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            assert await asyncio.to_thread(ready.recv, 100) == b"READY=1"
            yield service
        finally:
            service.terminate()
            service.said, _errors = service.communicate(timeout=PATIENCE)


async def test_a_link_outlives_a_restart(world, tmp_path):
    async with world(service=False) as w:
        w.now = int(time.time())
        token = w.issue()
        async with process(w, tmp_path) as service:
            assert (await w.get(token)).status == 200
        assert service.returncode == 0
        async with process(w, tmp_path):
            assert (await w.post(token)).status == 200
        async with process(w, tmp_path):
            assert (await w.get(token)).status == 404
        assert w.photos.password == NEW


@pytest.mark.parametrize(("password", "page"), [(NEW, "done"), ("another password", "ended")])
async def test_killed_when_the_password_is_set_and_the_ticket_still_there(world, tmp_path, password, page):
    async with world(service=False) as w:
        w.now = int(time.time())
        token = w.issue()
        async with process(w, tmp_path) as service:
            w.photos.after = service.kill
            with contextlib.suppress(aiohttp.ClientError):
                await w.post(token)
        assert service.returncode == -signal.SIGKILL
        assert (w.photos.password, len(w.left)) == (NEW, 1)
        w.photos.after = lambda: None
        async with process(w, tmp_path):
            answer = await w.post(token, password)
            assert TEXTS["de"][page]["title"] in answer.page
            assert (await w.get(token)).status == 404
        assert (w.photos.password, w.left) == (NEW, [])


async def test_a_request_that_is_under_way_is_answered_before_the_end(world, tmp_path):
    async with world(service=False) as w:
        w.now = int(time.time())
        token = w.issue()
        async with process(w, tmp_path) as service:
            w.photos.before = service.terminate
            assert (await w.post(token)).status == 200
            # A second signal, while it leaves, would end it as it ends any process.
            await asyncio.to_thread(service.wait, PATIENCE)
        assert (service.returncode, w.left) == (0, [])


async def test_nothing_secret_is_said_or_shown_to_other_processes(world, tmp_path):
    async with world(service=False) as w:
        w.now = int(time.time())
        token = w.issue()
        async with process(w, tmp_path) as service:
            await w.get(token)
            await w.get(f"{token}%")
            await w.ask("BREW", token)
            await w.post(token)
            seen = [Path(f"/proc/{service.pid}/{name}").read_text() for name in ("cmdline", "environ")]
        assert service.said == "hans: the customer has set a password\n"
        for secret in (token, NEW, FIRST):
            assert secret not in "".join(seen)


def test_without_what_opens_links_it_does_not_start(tmp_path):
    program = tmp_path / "access.pyz"
    program.write_bytes(pack(gather(FILES), "silo_access"))
    (tmp_path / "cryptography.py").write_text("raise ImportError\n")
    done = subprocess.run(
        [sys.executable, str(program), str(tmp_path / "settings.json")],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("python3-cryptography is not installed")
