"""The ledger: what is counted, what ends a counter, what a crash and a clock may do to it, and a whole month."""

import collections
import contextlib
import dataclasses
import datetime
import random
import sqlite3
import zoneinfo

import pytest
from ansible_collections.swissphoto.silo.plugins.module_utils.usage import history
from ansible_collections.swissphoto.silo.plugins.module_utils.usage.amounts import NAMES, WHOLE, Amounts
from ansible_collections.swissphoto.silo.plugins.module_utils.usage.ledger import Ledger, LedgerError, Rules
from ansible_collections.swissphoto.silo.plugins.module_utils.usage.snapshot import Containers, Look, Moment, now
from hypothesis import given, settings
from hypothesis import strategies as st

ZONE = zoneinfo.ZoneInfo("Europe/Zurich")
RULES = Rules(ZONE, gap_seconds=300, detail_days=3)
KIB = 1024
GIB = 1024**3
NOON = int(datetime.datetime(2026, 11, 2, 12, tzinfo=ZONE).timestamp())


def moment(seconds, boot="first", jump=0):
    return Moment(NOON + seconds + jump, 1000 + seconds, boot)


def look(seconds, cpu=0, source="a/1", state="running", memory=GIB, storage=10 * GIB, **parts):
    standard = {
        "containers": {"hans": Containers(True, memory, {source: {"cpu_microseconds": cpu}})},
        "storage": {"hans": storage},
        "served": {},
    }
    at = parts.pop("at", moment(seconds))
    return Look(at, {"hans": state}, **{**standard, **parts})


@pytest.fixture
def path(tmp_path):
    return tmp_path / "accounting" / "ledger.db"


def add(path, *looks, rules=RULES):
    with contextlib.closing(Ledger(path, rules)) as ledger:
        for one in looks:
            with ledger.held():
                ledger.add(one)
        return ledger.totals()


def used(path, first=datetime.date(2026, 1, 1), last=datetime.date(2027, 12, 31), tenant="hans"):
    with history.opened(path) as database:
        days = history.days(database, first, last)
    return sum((amounts for (_day, name), amounts in days.items() if name == tenant), Amounts())


def test_the_first_look_counts_nothing_of_what_was_before(path):
    add(path, look(0, cpu=5_000_000))
    found = used(path)
    assert (found.cpu_microseconds, found.running_seconds, found.storage_kib_seconds) == (0, 0, 0)
    assert found.storage_peak_bytes == 10 * GIB


def test_what_lies_between_two_looks_is_counted(path):
    totals = add(path, look(0, cpu=5_000_000), look(60, cpu=7_000_000, storage=20 * GIB))
    found = used(path)
    assert found.cpu_microseconds == 2_000_000
    assert (found.running_seconds, found.healthy_seconds, found.unseen_seconds) == (60, 60, 0)
    assert found.memory_kib_seconds == 60 * GIB // KIB
    assert found.storage_kib_seconds == 60 * 10 * GIB // KIB
    assert (found.storage_peak_bytes, found.memory_peak_bytes) == (20 * GIB, GIB)
    assert totals["hans"]["cpu_microseconds"] == 2_000_000


@pytest.mark.parametrize("source", ["a/1", "a/2", "b/1"], ids=["went back", "restarted", "made anew"])
def test_a_counter_that_begins_anew_loses_nothing_that_was_counted(path, source):
    add(path, look(0, cpu=5), look(60, cpu=9), look(120, cpu=3, source=source))
    assert used(path).cpu_microseconds == 4 + 3


def test_a_source_that_was_away_is_another_when_it_comes_back(path):
    away = look(60, containers={})
    add(path, look(0, cpu=5), away, look(120, cpu=7))
    assert used(path).cpu_microseconds == 7


def test_a_part_that_cannot_be_read_is_counted_by_the_look_that_can(path):
    blind = dataclasses.replace(look(60), containers=None, storage=None)
    add(path, look(0, cpu=5), blind, look(120, cpu=9))
    found = used(path)
    assert found.cpu_microseconds == 4
    assert (found.running_seconds, found.healthy_seconds, found.unseen_seconds) == (120, 60, 60)
    assert found.storage_kib_seconds == 120 * 10 * GIB // KIB


def test_where_nobody_looks_for_long_memory_is_unknown_and_storage_is_not(path):
    add(path, look(0), look(3600))
    found = used(path)
    assert (found.unseen_seconds, found.healthy_seconds, found.memory_kib_seconds) == (3600, 0, 0)
    assert (found.running_seconds, found.storage_kib_seconds) == (3600, 3600 * 10 * GIB // KIB)


def test_a_boot_ends_what_ran_and_not_what_lies_there(path):
    add(path, look(0), look(120, at=Moment(NOON + 120, 30, "second"), cpu=4, source="a/2"))
    found = used(path)
    assert (found.running_seconds, found.unseen_seconds, found.healthy_seconds) == (120, 120, 0)
    assert (found.cpu_microseconds, found.storage_kib_seconds) == (4, 120 * 10 * GIB // KIB)


@pytest.mark.parametrize("jump", [-86_400, -7, 7, 86_400])
def test_a_clock_that_jumps_makes_no_time_and_takes_none(path, jump):
    add(path, look(0), look(60, at=moment(60, jump=jump)), look(120, at=moment(120, jump=jump)), look(180))
    assert used(path).running_seconds == 180


def test_a_clock_that_went_back_over_a_boot_makes_no_time(path):
    add(path, look(0), look(0, at=Moment(NOON - 50, 10, "second")))
    assert used(path).running_seconds == 0


def test_time_over_midnight_belongs_to_both_days(path):
    evening = int(datetime.datetime(2026, 11, 2, 23, 59, 40, tzinfo=ZONE).timestamp()) - NOON
    add(path, look(evening), look(evening + 60, cpu=6))
    monday, tuesday = (used(path, *[datetime.date(2026, 11, day)] * 2) for day in (2, 3))
    assert (monday.running_seconds, tuesday.running_seconds) == (20, 40)
    assert (monday.cpu_microseconds, tuesday.cpu_microseconds) == (0, 6)


def test_days_that_nobody_saw_have_the_storage_and_its_peak(path):
    add(path, look(0), look(3 * 86_400))
    tuesday = used(path, *[datetime.date(2026, 11, 3)] * 2)
    assert (tuesday.running_seconds, tuesday.unseen_seconds) == (86_400, 86_400)
    assert (tuesday.storage_peak_bytes, tuesday.memory_peak_bytes) == (10 * GIB, 0)


@pytest.mark.parametrize(("day", "hours"), [(datetime.date(2026, 10, 25), 25), (datetime.date(2027, 3, 28), 23)])
def test_a_day_is_as_long_as_it_is_where_clocks_are_changed(path, day, hours):
    start = int(datetime.datetime.combine(day, datetime.time(), ZONE).timestamp()) - NOON
    add(path, look(start - 50), look(start + 26 * 3600))
    assert used(path, day, day).running_seconds == hours * 3600


def test_days_that_are_over_are_added_up_and_details_forgotten(path):
    add(path, *(look(hours * 3600, cpu=hours) for hours in range(0, 24 * 8, 6)))
    with history.opened(path) as database:
        days = database.execute("SELECT count(DISTINCT day) FROM day").fetchone()[0]
        oldest = database.execute("SELECT min(until) FROM amount").fetchone()[0]
    assert days == 8
    assert NOON + 8 * 86_400 - oldest <= 5 * 86_400
    assert used(path).cpu_microseconds == 24 * 8 - 6
    assert used(path).running_seconds == (24 * 8 - 6) * 3600


def test_what_is_written_is_not_written_over(path):
    add(path, look(0), look(60), look(86_400))
    with contextlib.closing(sqlite3.connect(path)) as database:
        for statement in (
            "UPDATE day SET requests = 1",
            "DELETE FROM day",
            "UPDATE amount SET requests = 1",
            "DELETE FROM amount",
        ):
            with pytest.raises(sqlite3.IntegrityError, match="only added to|is kept"):
                database.execute(statement)


def test_a_look_that_is_cut_off_is_as_if_it_had_not_been(path):
    with contextlib.closing(Ledger(path, RULES)) as ledger:
        with ledger.held():
            ledger.add(look(0, cpu=1))
        with pytest.raises(KeyboardInterrupt), ledger.held():
            ledger.add(look(60, cpu=5))
            raise KeyboardInterrupt
        with ledger.held():
            ledger.add(look(120, cpu=9))
    found = used(path)
    assert (found.cpu_microseconds, found.running_seconds) == (8, 120)


def test_who_is_gone_uses_nothing_more_and_keeps_what_was(path):
    gone = Look(moment(120), {}, {}, {}, None, {})
    add(path, look(0), look(60, cpu=3), gone, dataclasses.replace(gone, moment=moment(180)))
    found = used(path)
    assert (found.running_seconds, found.cpu_microseconds) == (120, 3)


def test_a_nas_counts_storage_and_nothing_else(path):
    looks = (Look(moment(at), {}, storage={"hans": GIB}) for at in (0, 60))
    add(path, *looks)
    assert used(path) == Amounts(storage_kib_seconds=60 * GIB // KIB, storage_peak_bytes=GIB)


def test_a_nas_that_does_not_answer_once_keeps_what_it_has(path):
    looks = (Look(moment(at), {}, storage=storage) for at, storage in ((0, {"hans": GIB}), (60, None), (120, {})))
    add(path, *looks)
    assert used(path).storage_kib_seconds == 120 * GIB // KIB


@pytest.mark.parametrize("state", ["stopped", "suspended"])
def test_days_in_each_state(path, state):
    add(path, look(0, state=state, containers={}), look(60, state=state, containers={}))
    found = used(path)
    assert (getattr(found, f"{state}_seconds"), found.running_seconds, found.healthy_seconds) == (60, 0, 0)


def test_a_foreign_file_is_named(tmp_path):
    path = tmp_path / "ledger.db"
    path.write_text("photos, and no ledger" * 100)
    with pytest.raises(LedgerError, match=r"ledger\.db: the ledger cannot be read or written: file is not a database"):
        Ledger(path, RULES)


def test_a_newer_ledger_is_left_alone(path):
    add(path, look(0))
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA user_version = 9")
    with pytest.raises(LedgerError, match="is of version 9; this program knows 1"):
        Ledger(path, RULES)


def test_only_its_owner_reads_it(path):
    add(path, look(0))
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_what_is_not_there_is_not_made_by_reading(path):
    with pytest.raises(FileNotFoundError, match="the role accounting creates it"), history.opened(path):
        pass
    assert not path.parent.exists()


def test_the_course_of_a_day(path):
    add(path, *(look(number * 60, cpu=number * 100) for number in range(11)))
    with history.opened(path) as database:
        course = history.course(database, NOON, 300)["hans"]
        recent = history.course(database, NOON + 300, 3600)["hans"][0]
        assert history.looked(database) == NOON + 600
    assert {number: amounts.cpu_microseconds for number, amounts in course.items()} == {0: 500, 1: 500}
    assert recent.cpu_microseconds == 500


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 200_000), st.integers(0, 2**40), st.integers(0, 2**45)), max_size=8))
def test_tenants_make_the_whole(tmp_path_factory, steps):
    path = tmp_path_factory.mktemp("ledger") / "ledger.db"
    at = 0
    looks = []
    for seconds, cpu, storage in steps:
        at += seconds
        many = {
            name: Containers(True, GIB, {"a/1": {"cpu_microseconds": cpu + number}})
            for number, name in enumerate(("hans", "maria"))
        }
        states = {"hans": "running", "maria": "stopped"}
        looks.append(Look(moment(at), states, many, {"hans": storage, "maria": 7 * KIB}, None, {}))
    add(path, *looks)
    whole, hans, maria = (used(path, tenant=name) for name in (WHOLE, "hans", "maria"))
    for name in NAMES:
        if "_peak_" not in name:
            assert getattr(whole, name) == getattr(hans, name) + getattr(maria, name)
    assert whole.running_seconds == max(0, at - (steps[0][0] if steps else 0))


class World:
    """A server for a month: tenants that use, containers and machines that end, and looks that are cut off."""

    def __init__(self, path, seed):
        self.path, self.random = path, random.Random(seed)
        self.at, self.running, self.boot, self.life = 0, 5000, 0, 0
        self.counters = {name: collections.Counter() for name in ("hans", "maria", "peter")}
        self.lives = dict.fromkeys(self.counters, 0)
        self.states = dict.fromkeys(self.counters, "running")
        self.storage = dict.fromkeys(self.counters, GIB)
        self.real = {name: collections.Counter() for name in self.counters}

    def look(self):
        containers = {
            name: Containers(True, 512 * KIB, {f"{name}/{self.lives[name]}": dict(self.counters[name])})
            for name, state in self.states.items()
            if state == "running"
        }
        moment = Moment(NOON + self.at, self.running, str(self.boot))
        return Look(moment, dict(self.states), containers, dict(self.storage), None, {})

    def live(self, seconds):
        self.at += seconds
        self.running += seconds
        for name, state in self.states.items():
            self.real[name][f"{state}_seconds"] += seconds
            self.real[name]["storage_kib_seconds"] += seconds * self.storage[name] // KIB
            if state == "running":
                used = self.random.randrange(10**9)
                self.counters[name]["cpu_microseconds"] += used
                self.real[name]["cpu_microseconds"] += used

    def happen(self):
        """Right after a look, so that what nobody could have seen is nothing."""
        chance = self.random.random()
        name = self.random.choice(list(self.counters))
        if chance < 0.05:
            self._end(name)
        elif chance < 0.1:
            self.boot, self.running = self.boot + 1, 0
            for each in self.counters:
                self._end(each)
        elif chance < 0.15:
            self.states[name] = self.random.choice(["running", "stopped", "suspended"])
            self._end(name)
        elif chance < 0.3:
            self.storage[name] += self.random.randrange(GIB) // KIB * KIB
        return chance

    def _end(self, name):
        self.lives[name] += 1
        self.counters[name].clear()


@pytest.mark.long("a month of readings, a crash every few")
@pytest.mark.parametrize("seed", [1, 2])
def test_a_month_with_crashes_in_it_is_exact(path, seed):
    world = World(path, seed)
    rules = dataclasses.replace(RULES, gap_seconds=3600)
    add(path, world.look(), rules=rules)
    while world.at < 31 * 86_400:
        world.live(world.random.randrange(600, 3600))
        if world.random.random() < 0.1:
            # The power fails while the look is written; nothing ends here, and the next look has it all.
            with (
                contextlib.closing(Ledger(path, rules)) as ledger,
                contextlib.suppress(KeyboardInterrupt),
                ledger.held(),
            ):
                ledger.add(world.look())
                raise KeyboardInterrupt
            continue
        add(path, world.look(), rules=rules)
        # What changes right after a look is seen by a look at once, as by the hook of a run.
        if world.happen() < 0.3:
            add(path, world.look(), rules=rules)
    for name, real in world.real.items():
        found = used(path, tenant=name)
        assert {key: getattr(found, key) for key in real} == dict(real)


def test_this_moment():
    first = now()
    assert now().since(first) in (0, 1)
