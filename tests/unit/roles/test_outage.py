"""The program that shows a page while the NAS is away: when it comes, when it goes, and what is said."""

import re

import pytest
import yaml
from ansible_collections.swissphoto.silo.plugins.module_utils.tenant.probe import Storage

import silo_outage as outage
from tests import templates

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
        return self._run(tools, ["60"])

    def _run(self, tools, more):
        paths = ["/instances/.silo-nas", str(self.route), str(self.shown), str(self.since)]
        assert outage.main([*paths, *more], tools) == 0
        return self.capsys.readouterr().out

    def run_for(self, tenants, away=(), after=0.0):
        """Run the program for tenants, each with the mount point of its NAS, while some of these are away."""
        self.now += after
        some, stacks = self.root / "outage-of-some.yml", self.root / "tenants"
        some.write_text(templates.render("traefik", "outage-of-some.yml.j2", traefik_domain="swissphoto.ch"))
        for name, root in tenants.items():
            (stacks / name).mkdir(parents=True, exist_ok=True)
            (stacks / name / ".env").write_text(f"TENANT_STORAGE={root}/{name}/uploads\n")
        looked = []

        def look(sentinel):
            looked.append(str(sentinel))
            return Storage(AWAY if str(sentinel.parent) in away else "")

        tools = outage.OutageTools(look, lambda: self.now)
        said = self._run(tools, ["60", "--tenants", str(stacks), "--route-of-some", str(some)])
        return looked, said

    def routers(self):
        """Return the routers of all routes that are shown."""
        texts = [file.read_text() for file in sorted(self.shown.parent.iterdir())]
        return {name: one for text in texts for name, one in yaml.safe_load(text)["http"]["routers"].items()}


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


TWO = {"hans": "/instances", "maria": "/mnt/nas-b", "peter": "/mnt/nas-b"}


def test_of_two_nas_only_the_tenants_of_the_one_that_is_away_get_the_page(server):
    looked, said = server.run_for(TWO, away=["/mnt/nas-b"])
    assert (looked, said) == (["/instances/.silo-nas", "/mnt/nas-b/.silo-nas"], "")
    server.run_for(TWO, away=["/mnt/nas-b"], after=60)
    ((name, router),) = server.routers().items()
    pattern = re.fullmatch(r"HostRegexp\(`(.+)`\)", router["rule"])[1]
    assert [one for one in TWO if re.search(pattern, f"{one}.swissphoto.ch")] == ["maria", "peter"]
    assert (name, router["middlewares"][-1]) == ("outage-mnt-nas-b", "outage-mnt-nas-b")
    _looked, said = server.run_for(TWO, after=20)
    assert said == "<5>the NAS at /mnt/nas-b answers; customers reach their photo clouds again\n"
    assert server.routers() == {}


def test_of_two_nas_each_has_a_page_of_its_own(server):
    for after in (0, 60):
        server.run_for(TWO, away=["/instances", "/mnt/nas-b"], after=after)
    assert set(server.routers()) == {"outage-instances", "outage-mnt-nas-b"}
    server.run_for(TWO, away=["/instances"], after=20)
    assert list(server.routers()) == ["outage-instances"]


def test_a_server_with_one_nas_shows_its_page_to_all(server):
    for after in (0, 60):
        looked, _said = server.run_for({"hans": "/instances"}, away=["/instances"], after=after)
    assert looked == ["/instances/.silo-nas"]
    assert server.shown.read_text() == "http: {}\n"


def test_the_page_of_a_nas_that_nobody_has_any_more_goes(server):
    for after in (0, 60):
        server.run_for(TWO, away=["/mnt/nas-b"], after=after)
    server.run_for(dict.fromkeys(TWO, "/instances"), after=20)
    assert server.routers() == {}


def test_the_unit_knows_the_tenants_only_where_the_role_does(render):
    values = {"traefik_directory": "/srv/silo/traefik", "traefik_storage_sentinel": "/instances/.silo-nas"}
    command = re.compile(r"ExecStart=.* 60$", re.DOTALL | re.MULTILINE)
    assert command.search(render("traefik", "silo-outage.service.j2", **values))
    text = render("traefik", "silo-outage.service.j2", **values, traefik_tenants_directory="/srv/silo/tenants")
    more = "--tenants /srv/silo/tenants --route-of-some /srv/silo/traefik/outage-of-some.yml"
    assert f" 60 {more}\nEnvironment=" in text
