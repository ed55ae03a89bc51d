"""The program that shows a page while the NAS is away: when it comes, when it goes, and what is said."""

import pytest
from ansible_collections.swissphoto.silo.plugins.module_utils.tenant.probe import Storage

import silo_outage as outage

AWAY = "the NAS does not answer: .silo-nas could not be read within 5 s"


class Server:
    """A server that is a temporary directory, with a clock that stands still."""

    def __init__(self, root, capsys):
        self.root, self.capsys = root, capsys
        self.now, self.problem = 1000.0, ""
        self.route, self.shown, self.since = root / "outage.yml", root / "routes" / "_outage.yml", root / "since"
        self.shown.parent.mkdir()
        self.route.write_text("http: {}\n")

    def run(self, after=0.0):
        """Run the program so many seconds later; return what it said."""
        self.now += after
        tools = outage.OutageTools(lambda _sentinel: Storage(self.problem), lambda: self.now)
        paths = ["/instances/.silo-nas", str(self.route), str(self.shown), str(self.since)]
        assert outage.main([*paths, "60"], tools) == 0
        return self.capsys.readouterr().out


@pytest.fixture
def server(tmp_path, capsys):
    return Server(tmp_path, capsys)


def test_while_the_nas_answers_nothing_is_shown_or_said(server):
    assert server.run() == server.run(20) == ""
    assert not server.shown.exists()


def test_after_a_minute_without_it_the_page_is_shown_once(server):
    server.problem = AWAY
    assert [server.run(), server.run(20), server.run(20)] == ["", "", ""]
    assert not server.shown.exists()
    assert server.run(20) == f"<4>{AWAY}; customers read so since the NAS is away for 60 s\n"
    assert server.shown.read_text() == "http: {}\n"
    assert server.shown.stat().st_mode & 0o777 == 0o644
    assert server.run(20) == ""


def test_it_goes_by_itself(server):
    server.problem = AWAY
    server.run()
    server.run(60)
    server.problem = ""
    assert server.run(20) == "<5>the NAS answers; customers reach their photo clouds again\n"
    assert not server.shown.exists()
    assert server.run(20) == ""


def test_a_short_outage_counts_for_no_later_one(server):
    server.problem = AWAY
    server.run()
    server.problem = ""
    server.run(50)
    server.problem = AWAY
    server.run(20)
    server.run(50)
    assert not server.shown.exists()


def test_a_page_from_before_a_boot_stays_while_the_nas_is_away(server):
    server.shown.write_text("http: {}\n")
    server.problem = AWAY
    assert server.run() == ""
    assert server.shown.exists()


@pytest.mark.parametrize("text", ["", "nonsense", "-5", "1e12", "nan"])
def test_a_time_that_cannot_be_is_one_that_begins_now(server, text):
    server.since.write_text(text)
    server.problem = AWAY
    server.run()
    assert not server.shown.exists()
    server.run(60)
    assert server.shown.exists()


def test_a_route_that_was_written_anew_is_shown(server):
    server.problem = AWAY
    server.run()
    server.run(60)
    server.route.write_text("http: {routers: {}}\n")
    assert server.run(20) == ""
    assert server.shown.read_text() == "http: {routers: {}}\n"
