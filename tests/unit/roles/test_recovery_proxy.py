"""What the proxy reads: a route that is broken is put aside, certificates that are not whole come back."""

import json
import os

import pytest
from ansible_collections.swissphoto.silo.plugins.module_utils.common.process import Completed

from silo_proxy import Proxy, care

WHOLE = json.dumps({"acme": {"Account": {"Email": "ops@example.ch"}, "Certificates": [{"domain": {"main": "hans"}}]}})


class Traefik:
    """Its directories are temporary; it reads routes as JSON, the first by name that it cannot read is named."""

    def __init__(self, root):
        self.routes, self.store = root / "routes", root / "certificates" / "acme.json"
        self.routes.mkdir()
        self.store.parent.mkdir()
        self.log, self.clock, self.done = [], 1000.0, []
        self.started = "1970-01-01T00:10:00.123456789Z"
        self.write("_base.yml")
        self.write("tenant-hans.yml")

    def write(self, name, text="{}", at=100):
        (self.routes / name).write_text(text)
        os.utime(self.routes / name, (at, at))

    def read(self, _seconds=0.0):
        for path in sorted(self.routes.glob("*.yml")):
            try:
                json.loads(path.read_text())
            except ValueError:
                stamp = "1970-01-01T00:16:40.987654321Z"
                error = f'"collecting file configs: /etc/traefik/routes/{path.name}: yaml: no \\"x\\""'
                self.log.append(f"{stamp} {stamp} ERR Error while building configuration error={error} provider=file")
                return
        self.log.append("1970-01-01T00:16:41Z INF all is read")

    def run(self, command, _environment):
        self.done.append(command[1])
        out = {"logs": "\n".join(self.log), "inspect": self.started, "restart": ""}[command[1]]
        return Completed(0, out, "")

    def care(self):
        return care(Proxy("traefik", self.routes, self.store, self.run, self.read))

    def names(self):
        return sorted(path.name for path in self.routes.iterdir())


@pytest.fixture
def traefik(tmp_path):
    return Traefik(tmp_path)


@pytest.mark.fault(13)
def test_each_broken_route_is_put_aside_and_told(traefik):
    traefik.write("tenant-bad.yml", "{")
    traefik.write("tenant-worse.yml", "[")
    traefik.read()
    told = traefik.care()
    assert traefik.names() == ["_base.yml", "tenant-bad.yml.broken", "tenant-hans.yml", "tenant-worse.yml.broken"]
    why = 'yaml: no \\"x\\"; it is now tenant-bad.yml.broken, and an apply writes it again'
    assert told[0] == f"Traefik cannot read {traefik.routes}/tenant-bad.yml: {why}"
    assert len(told) == 2
    assert traefik.care() == ()


def test_a_route_that_was_written_anew_since_is_left(traefik):
    traefik.write("tenant-bad.yml", "{")
    traefik.read()
    traefik.write("tenant-bad.yml", "{}", at=1001)
    assert traefik.care() == ()
    assert "tenant-bad.yml" in traefik.names()


def test_what_all_routes_need_is_told_and_left(traefik):
    traefik.write("_base.yml", "{")
    traefik.read()
    (told,) = traefik.care()
    assert "_base.yml, which all routes need" in told
    assert "_base.yml" in traefik.names()


@pytest.mark.parametrize("name", ["../acme.yml", "sub/other.yml"])
def test_nothing_outside_is_touched(traefik, tmp_path, name):
    (tmp_path / "acme.yml").write_text("{")
    traefik.log = [f'1970-01-01T00:16:40Z ERR x error="/etc/traefik/routes/{name}: broken"']
    os.utime(tmp_path / "acme.yml", (100, 100))
    assert traefik.care() == ()
    assert (tmp_path / "acme.yml").exists()


def test_where_nothing_is_wrong_one_question_is_asked(traefik):
    traefik.store.write_text(WHOLE)
    traefik.care()
    traefik.done.clear()
    assert traefik.care() == ()
    assert traefik.done == ["logs"]


@pytest.mark.fault(4)
@pytest.mark.parametrize("left", ["", WHOLE[:40], "[]"])
def test_certificates_that_are_not_whole_come_back(traefik, left):
    traefik.store.write_text(WHOLE)
    assert traefik.care() == ()
    kept = traefik.store.with_name("acme.json.kept")
    assert kept.stat().st_mode & 0o777 == 0o600
    traefik.store.write_text(left)
    (told,) = traefik.care()
    assert told.endswith("was damaged, for example by a full disk; the last good copy was restored")
    assert traefik.store.read_text() == WHOLE
    # It has them in its memory still.
    assert "restart" not in traefik.done
    traefik.care()
    assert kept.read_text() == WHOLE


def test_who_was_started_without_them_is_started_again(traefik):
    traefik.store.write_text(WHOLE)
    traefik.care()
    traefik.store.write_text("")
    os.utime(traefik.store, (500, 500))
    assert traefik.care()[1:] == ("traefik was restarted with it",)
    assert traefik.done[-1] == "restart"


def test_new_certificates_are_kept_too(traefik):
    traefik.store.write_text(WHOLE)
    traefik.care()
    traefik.store.write_text(WHOLE.replace("hans", "maria"))
    traefik.care()
    assert "maria" in traefik.store.with_name("acme.json.kept").read_text()


def test_certificates_that_somebody_took_away_stay_away(traefik):
    traefik.store.write_text(WHOLE)
    traefik.care()
    traefik.store.unlink()
    assert traefik.care() == ()
    assert not traefik.store.exists()


def test_what_cannot_be_done_is_told(traefik):
    traefik.store.write_text(WHOLE)
    traefik.store.with_name(".acme.json.kept.tmp").mkdir()
    (told,) = traefik.care()
    assert told.startswith("Traefik's files cannot be examined: ")


SECRET = json.dumps({"password": "root's own"})


@pytest.mark.parametrize("kind", ["link", "pipe", "folder", "large", "of root", "hard link"])
def test_nothing_but_a_file_of_traefiks_own_is_read(traefik, tmp_path, monkeypatch, kind):
    secret = tmp_path / "secret.json"
    secret.write_text(SECRET)
    os.chown(traefik.store.parent, 4711, 4711)
    if kind == "link":
        traefik.store.symlink_to(secret)
    elif kind == "pipe":
        os.mkfifo(traefik.store)
    elif kind == "folder":
        traefik.store.mkdir()
    elif kind == "large":
        traefik.store.touch()
        os.truncate(traefik.store, 10**12)
    elif kind == "of root":
        traefik.store.write_text(SECRET)
    else:
        traefik.store.hardlink_to(secret)
    if kind != "of root" and kind != "hard link":
        os.chown(traefik.store, 4711, 4711, follow_symlinks=False)
    (told,) = traefik.care()
    assert told.startswith("Traefik's files cannot be examined: ")
    assert "own" not in told.replace("owner", "")
    assert not traefik.store.with_name("acme.json.kept").exists()


def test_a_copy_that_is_a_link_changes_nothing_at_its_end(traefik, tmp_path):
    other = tmp_path / "other"
    other.write_text("other")
    os.utime(other, (1, 1))
    traefik.store.write_text(WHOLE)
    traefik.store.with_name("acme.json.kept").symlink_to(other)
    assert traefik.care() == ()
    assert (other.read_text(), other.stat().st_mtime) == ("other", 1)
    kept = traefik.store.with_name("acme.json.kept")
    assert (kept.is_symlink(), kept.read_text()) == (False, WHOLE)


def test_certificates_that_are_nested_without_end_are_damaged(traefik):
    traefik.store.write_text(WHOLE)
    traefik.care()
    traefik.store.write_text('{"a":' * 100_000)
    (told,) = traefik.care()
    assert told.endswith("the last good copy was restored")


def test_what_traefik_says_is_told_in_one_line_without_control_characters(traefik):
    traefik.write("tenant-bad.yml", "{")
    error = '"/etc/traefik/routes/tenant-bad.yml: \x1b[2Jyaml' + "x" * 5000 + '"'
    traefik.log = [f"1970-01-01T00:16:40.9Z ERR x error={error}"]
    traefik.read = lambda _seconds=0.0: traefik.log.clear()
    (told,) = traefik.care()
    assert told.isprintable()
    assert len(told) < 1000
