"""Who lost something at the machine learning is found, told once it is back, and not told for ever."""

import hashlib
import time

import pytest
from ansible_collections.swissphoto.silo.plugins.module_utils.common.metrics import MetricsError
from ansible_collections.swissphoto.silo.plugins.module_utils.common.process import Completed
from ansible_collections.swissphoto.silo.plugins.module_utils.tenant.stack import StackError

from silo_catch_up import __main__ as program
from silo_catch_up import photo_server
from silo_catch_up.memory import LAST_SECONDS, Backlog, Memory
from silo_catch_up.photo_server import QUEUES, PhotoServer
from tests.unit.hostile_servers import HOSTILE, serving
from tests.unit.patience import PATIENCE

URL = "http://10.82.0.2:3003"
LINE = 'traefik_router_requests_total{{code="{}",method="POST",router="tenant-{}{}@file",service="x@file"}} {}\n'


class Server:
    """A server that is a temporary directory; `told` is who was told to catch up, in order."""

    def __init__(self, root):
        self.root, self.started, self.time = root, 1.0e9, 2.0e9
        self.counts, self.there, self.told, self.fails, self.busy = {}, True, [], {}, set()

    def add(self, name, state="running", created=True):
        directory = self.root / "tenants" / name
        directory.mkdir(parents=True)
        (directory / ".env").write_text(f"# Made\nTENANT_STATE={state}\nSERVER_ADDRESS=10.83.0.{len(self.root.name)}\n")
        if created:
            (directory / ".admin-created").touch()

    def metrics(self, port):
        assert port == 8082
        if self.started is None:
            raise MetricsError("away")
        lines = [LINE.format(code, name, "-ml", count) for (name, code), count in self.counts.items()]
        return f"process_start_time_seconds {self.started}\n" + "".join(lines)

    def catch_up(self, name, _address):
        self.told.append(name)
        if name in self.fails:
            raise StackError(self.fails[name])
        return name not in self.busy

    def look(self, seconds=30):
        """Look once, and return who was told."""
        self.time += seconds
        self.told = []
        tools = program.CatchUpTools(
            self.metrics, lambda url: url == URL and self.there, self.catch_up, lambda: self.time
        )
        assert program.main([str(self.root / "tenants"), "8082", URL, str(self.root / "known.json")], tools) == 0
        return self.told


@pytest.fixture
def server(tmp_path):
    found = Server(tmp_path)
    found.add("hans")
    found.add("maria")
    found.look()
    found.look(LAST_SECONDS)
    return found


def test_a_first_look_tells_all_who_run(tmp_path):
    server = Server(tmp_path)
    server.add("hans")
    server.add("maria", state="stopped")
    server.add("peter", state="suspended")
    server.add("anna", created=False)
    assert server.look() == ["hans"]
    assert server.look() == []


def test_who_lost_something_is_told_when_the_service_is_back(server):
    server.there = False
    server.counts["hans", 502] = 3
    assert [server.look() for _ in range(3)] == [[], [], []]
    server.there = True
    assert [server.look() for _ in range(3)] == [["hans"], [], []]


@pytest.mark.parametrize("code", [429, 500, 502, 503, 504, 499])
def test_whatever_was_no_answer_is_lost(server, code):
    server.counts["hans", 200] = 100
    assert server.look() == []
    server.counts["hans", code] = 1
    assert server.look() == ["hans"]


@pytest.mark.parametrize("code", [200, 413, 422])
def test_what_would_be_refused_again_is_not_lost(server, code):
    server.counts["hans", code] = 100
    assert server.look() == []


def test_what_is_known_survives_a_reboot(server):
    server.there = False
    server.counts["hans", 502] = 1
    server.look()
    # Traefik begins again, and with it its numbers.
    server.counts, server.started, server.there = {}, server.started + 100, True
    assert server.look() == ["hans", "maria"]
    assert server.look() == []


def test_while_traefik_is_away_nothing_is_forgotten(server):
    started, server.started = server.started, None
    assert server.look() == []
    server.started = started
    assert server.look() == []


def test_a_route_that_went_and_came_back_counts_anew(server):
    server.counts["hans", 502] = 5
    server.look()
    server.counts["hans", 502] = 2
    assert server.look(LAST_SECONDS) == ["hans"]


def test_a_picture_that_always_fails_costs_less_and_less(server):
    times, count = [], 0
    for _minute in range(3 * 24 * 60):
        if count != len(times) or not times:
            count = len(times)
            server.counts["hans", 500] = count + 1
        if server.look(60):
            times.append(server.time)
    gaps = [after - before for before, after in zip(times, times[1:], strict=False)]
    assert gaps == sorted(gaps)
    assert len(times) < 15
    assert LAST_SECONDS / 2 < gaps[-1] <= LAST_SECONDS + 60


def test_after_a_quiet_time_the_next_loss_is_made_good_at_once(server):
    for number in range(4):
        server.counts["hans", 502] = number + 1
        server.look(3600)
    server.look(LAST_SECONDS)
    server.counts["hans", 502] = 10
    assert server.look() == ["hans"]


def test_one_that_fails_keeps_nobody_else_from_it(server, capsys):
    server.fails["hans"] = "its database does not answer"
    server.counts |= {("hans", 502): 1, ("maria", 502): 1}
    assert server.look() == ["hans", "maria"]
    out = capsys.readouterr().out
    assert "<4>hans: the jobs that the machine learning missed cannot be started: its database does not answer\n" in out
    assert "<5>maria: started the jobs that the machine learning missed\n" in out
    server.fails.clear()
    assert server.look(120) == ["hans"]


def test_a_busy_queue_is_asked_again(server):
    server.busy.add("hans")
    server.counts["hans", 502] = 1
    assert server.look() == ["hans"]
    # As often as it takes: an import of a day does not make the wait after it longer.
    assert [server.look(60) for _ in range(20)] == [[], ["hans"]] * 10
    server.busy.clear()
    assert [server.look(60) for _ in range(4)] == [[], ["hans"], [], []]


def test_a_tenant_that_is_stopped_is_forgotten(server):
    server.there = False
    server.counts["hans", 502] = 1
    server.look()
    env = server.root / "tenants" / "hans" / ".env"
    env.write_text(env.read_text().replace("running", "stopped"))
    server.there = True
    assert server.look() == []
    assert "hans" not in Memory.read(server.root / "known.json").backlogs


@pytest.mark.parametrize("text", ["", "{", "[]", '{"started": 1, "seen": {}, "backlogs": {"hans": {"x": 1}}}'])
def test_a_memory_that_cannot_be_read_is_none(tmp_path, text):
    (tmp_path / "known.json").write_text(text)
    assert Memory.read(tmp_path / "known.json") == Memory()


def test_a_memory_is_read_as_it_was_written(tmp_path):
    memory = Memory(5.0, {"hans": 3}, {"hans": Backlog(missed=True, runs=2, next_at=7.0)})
    memory.write(tmp_path / "known.json")
    assert Memory.read(tmp_path / "known.json") == memory


def test_only_requests_to_the_machine_learning_count():
    lines = [LINE.format(502, "hans", part, 3) for part in ("-ml", "-api", "")]
    lines += ["process_start_time_seconds 1.5e+09\n", LINE.format(200, "maria", "-ml", 9)]
    kept = "".join(line for line in lines if program.LINE.fullmatch(line.encode()))
    assert program.failures(kept) == (1.5e9, {"hans": 3, "maria": 0})


def test_numbers_without_a_beginning_are_none():
    with pytest.raises(ValueError, match="no start time"):
        program.failures(LINE.format(502, "hans", "-ml", 3))


class Tenant:
    """A database and a photo server."""

    def __init__(self, count="1", code=0, **statuses):
        self.count, self.code, self.statuses = count, code, statuses
        self.done = []

    def feed(self, command, text):
        value = dict(part.split("=", 1) for part in command if "=" in part and part[0].islower())
        self.done.append(("grant" if "INSERT" in text else "forget", value["digest"]))
        return Completed(self.code, f"{self.count}\n", "no such table")

    def put(self, _address, queue, key):
        self.done.append((queue, hashlib.sha256(key.encode()).hexdigest()))
        return self.statuses.get(queue, 200)

    def catch_up(self):
        return PhotoServer("hans", "10.83.0.18", self.feed, self.put).catch_up()


def test_a_key_is_there_for_as_long_as_it_is_used():
    tenant = Tenant()
    assert tenant.catch_up()
    assert [what for what, _key in tenant.done] == ["grant", *QUEUES, "forget"]
    # The database knows the digest of the very key that is shown to the photo server.
    assert len({digest for _what, digest in tenant.done[:-1]}) == 1


def test_a_queue_at_work_is_no_fault():
    assert not Tenant(smartSearch=400).catch_up()


@pytest.mark.parametrize("status", [401, 403, 404, 500, 502])
def test_what_the_photo_server_refuses_is_told_and_the_key_is_gone(status):
    tenant = Tenant(ocr=status)
    with pytest.raises(StackError, match=f"ocr with {status}"):
        tenant.catch_up()
    assert tenant.done[-1][0] == "forget"


def test_without_an_admin_nothing_is_started():
    tenant = Tenant(count="0")
    with pytest.raises(StackError, match="no admin any more"):
        tenant.catch_up()
    assert [what for what, _key in tenant.done] == ["grant"]


def test_a_database_that_refuses_is_told():
    with pytest.raises(StackError, match=r"silo-hans-database-1 ends with code 1: no such table"):
        Tenant(code=1).catch_up()


def test_each_tenant_is_kept_before_the_next_and_one_that_cuts_a_run_off_is_not_first_again(server):
    server.counts |= {("hans", 502): 1, ("maria", 502): 1}
    whole = server.catch_up

    def cut_off(name, address):
        server.told.append(name)
        raise KeyboardInterrupt

    server.catch_up = cut_off
    with pytest.raises(KeyboardInterrupt):
        server.look()
    assert server.told == ["hans"]
    server.catch_up = whole
    # The others have their turn before the one at which the run was cut off.
    assert server.look() == ["maria"]
    assert server.look(120) == ["hans"]


def test_what_was_done_before_a_run_is_cut_off_is_not_done_again(server):
    server.counts |= {("hans", 502): 1, ("maria", 502): 1}
    whole = server.catch_up

    def cut_off(name, address):
        if name == "maria":
            raise KeyboardInterrupt
        return whole(name, address)

    server.catch_up = cut_off
    with pytest.raises(KeyboardInterrupt):
        server.look()
    assert not Memory.read(server.root / "known.json").backlogs["hans"].missed


@pytest.mark.parametrize("name", HOSTILE)
def test_a_photo_server_that_does_not_come_to_an_end_is_told_in_time(name, monkeypatch):
    monkeypatch.setattr(photo_server, "SECONDS", 0.2)
    with serving(HOSTILE[name]) as (port, _asked):
        monkeypatch.setattr(photo_server, "PORT", port)
        begin = time.monotonic()
        with pytest.raises(StackError, match="its photo server does not answer: "):
            photo_server._put("127.0.0.1", "ocr", "key")
        assert time.monotonic() - begin < PATIENCE
