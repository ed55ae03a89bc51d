"""systemd hears a state where it listens; nothing fails where it does not."""

import socket

from ansible_collections.swissphoto.silo.plugins.module_utils.common import systemd

from tests.unit.patience import PATIENCE


def test_a_state_is_told(tmp_path, monkeypatch):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.bind(str(tmp_path / "notify"))
        channel.settimeout(PATIENCE)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        systemd.notify("READY=1")
        assert channel.recv(100) == b"READY=1"


def test_nobody_need_listen(tmp_path, monkeypatch):
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "nobody"))
    systemd.notify("READY=1")
    monkeypatch.delenv("NOTIFY_SOCKET")
    systemd.notify("READY=1")


def test_the_same_is_said_once(tmp_path):
    memory = tmp_path / "said"
    assert not systemd.is_news("", memory)
    assert [systemd.is_news(text, memory) for text in ("full\n", "full\n", "", "")] == [True, False, True, False]
    memory.write_bytes(b"\xff\0")
    assert systemd.is_news("full\n", memory)
