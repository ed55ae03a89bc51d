"""Memory that is lent and taken back on a server: to whom, when, how much, and what is never done."""

import dataclasses
import json

import pytest
from ansible_collections.swissphoto.silo.plugins.module_utils.tenant import lending as lending_module
from ansible_collections.swissphoto.silo.plugins.module_utils.tenant.burst import MIB
from ansible_collections.swissphoto.silo.plugins.module_utils.tenant.lending import (
    HOLD_SECONDS,
    MARGIN,
    Lending,
    LendingTools,
    Use,
    drop,
    use,
)
from ansible_collections.swissphoto.silo.plugins.module_utils.tenant.stack import Container, StackError

GIB = 1024**3
ENV = """\
TENANT_NAME={name}
TENANT_STATE={state}
SERVER_MEMORY={memory}
SERVER_BURST={burst}
SERVER_DIGEST=s1
DATABASE_MEMORY=1073741824
DATABASE_MAINTENANCE_MEMORY=128MB
DATABASE_DIGEST=d1
"""


class Machine:
    """A server with photo servers and databases, whose limits are numbers here; `set` is what was set, in order."""

    def __init__(self, root):
        self.root = root
        self.tenants = root / "tenants"
        self.tenants.mkdir()
        self.limits, self.uses, self.states = {}, {}, {}
        self.set, self.dropped, self.refuse, self.inspected = [], [], {}, []
        self.now = 1000.0
        (root / "meminfo").write_text("MemTotal:       262144000 kB\nMemFree:  1 kB\n")
        self.policy("16G")

    def policy(self, total):
        sizes = {"total": total, "reserve": "2G", "machine_learning": "1G", "traefik": "512M", "template": "3G"}
        (self.root / "memory.json").write_text(json.dumps(sizes))

    def env(self, name="hans", state="running", memory=GIB, burst=GIB // 2):
        return ENV.format(name=name, state=state, memory=memory, burst=burst)

    def tenant(self, name, working=600, limit=1024, state="running", charged=None, killed=0, **env):
        """`working`, `charged` and `limit` are MiB of the photo server; None as working is one that does not run."""
        (self.tenants / name).mkdir(exist_ok=True)
        (self.tenants / name / ".env").write_text(self.env(name, state, **env))
        self.limits[name] = limit * MIB
        used = None
        if working is not None:
            used = Use((charged or working) * MIB, working * MIB, killed, self.root / "memory.reclaim")
        self.uses[name] = used

    def container(self, name, service):
        running = self.uses[name] is not None
        state = self.states.get(name, "running" if running else "exited")
        return Container(f"{name}-{service}", f"silo-{name}-{service}-1", name, service, "s1", state, "healthy")

    def inspect(self, identity):
        name = identity.removeprefix("silo-").split("-")[0]
        self.inspected.append(name)
        return {"HostConfig": {"Memory": self.limits[name]}, "name": name}

    def drop(self, used, surplus):
        self.dropped.append(surplus // MIB)
        return max(used.working, used.charged - surplus)

    def set_limit(self, identity, limit):
        name = identity.removeprefix("silo-").split("-")[0]
        self.set.append((name, limit // MIB))
        if name in self.refuse:
            raise StackError(self.refuse[name])
        self.limits[name] = limit

    def containers(self):
        return [self.container(name, service) for name in self.limits for service in ("server", "database")]

    def sleep(self, seconds):
        self.now += seconds

    @property
    def lending(self):
        tools = LendingTools(
            self.containers,
            self.inspect,
            lambda found: self.uses[found["name"]],
            self.drop,
            self.set_limit,
            lambda: self.now,
            self.sleep,
            self.root / "meminfo",
            self.root / "silo-burst.json",
        )
        return Lending(self.tenants, tools)


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


def test_who_presses_against_its_limit_gets_more_and_who_does_not_gets_nothing(machine):
    machine.tenant("hans", working=900)
    machine.tenant("maria", working=810)
    lent = machine.lending.settle()
    assert machine.set == [("hans", 1536)]
    assert lent.lent == {("hans", "server"): GIB // 2, ("maria", "server"): 0}
    # 16 - 3.5 - 2 x 2 GiB: a tenant here has 2 GiB.
    assert (lent.pool, lent.short, lent.problem) == (17 * GIB // 2, 0, "")


def test_a_second_step_changes_nothing(machine):
    machine.tenant("hans", working=900)
    machine.lending.settle()
    machine.set.clear()
    machine.lending.settle()
    assert machine.set == []


def check_taken_back_in_time(machine):
    machine.now += HOLD_SECONDS - 1
    machine.lending.settle()
    assert machine.limits["hans"] == 1536 * MIB
    machine.now += 1
    machine.lending.settle()
    assert machine.limits["hans"] == GIB


def test_it_is_taken_back_when_it_was_not_needed_for_a_while(machine):
    machine.tenant("hans", working=900)
    machine.lending.settle()
    machine.tenant("hans", working=600, limit=1536)
    check_taken_back_in_time(machine)


def test_who_was_killed_gets_more_though_it_has_just_started_again(machine):
    machine.tenant("hans", working=100, killed=3)
    machine.lending.settle()
    assert machine.set == []
    machine.tenant("hans", working=100, killed=1)  # the group of a new start counts from zero
    machine.lending.settle()
    assert machine.set == [("hans", 1536)]


def test_what_is_in_use_is_never_taken(machine):
    machine.tenant("hans", working=1300, limit=1536)
    machine.policy("5G")  # nothing is left to lend
    lent = machine.lending.settle()
    assert machine.limits["hans"] == 1300 * MIB + MARGIN
    assert lent.short == 1300 * MIB + MARGIN - GIB
    machine.tenant("hans", working=700, limit=1364)
    machine.lending.settle()
    assert machine.limits["hans"] == GIB


def test_cache_is_dropped_before_a_limit_is_lowered(machine):
    machine.tenant("hans", working=600, charged=1500, limit=1536)
    machine.lending.settle()
    assert machine.dropped == [1500 - 1024]
    assert machine.set == [("hans", 1024)]


def test_where_the_kernel_drops_nothing_the_limit_stays_above_all_that_counts(machine, monkeypatch):
    monkeypatch.setattr(machine, "drop", lambda used, _surplus: used.charged)
    machine.tenant("hans", working=600, charged=1500, limit=1536)
    machine.lending.settle()
    assert machine.set == [("hans", 1500)]


@pytest.mark.parametrize(
    "told",
    [
        "with 500: failed to write memory.limit_in_bytes: device or resource busy",
        "with 500: unable to set memory limit to 1073741824 (current usage: 1, peak usage: 2)",
    ],
)
def test_a_kernel_that_refuses_to_lower_is_asked_again_and_not_complained_about(machine, told):
    machine.tenant("hans", working=600, limit=1536)
    machine.refuse["hans"] = told
    lent = machine.lending.settle()
    assert (lent.problem, lent.lent) == ("", {("hans", "server"): GIB // 2})
    machine.refuse.clear()
    machine.lending.settle()
    assert machine.limits["hans"] == GIB


def test_an_engine_that_refuses_is_a_problem_of_that_tenant(machine):
    machine.tenant("hans", working=900)
    machine.tenant("maria", working=900)
    machine.refuse["hans"] = "no such container"
    assert machine.lending.settle().problem == (
        "hans: the memory limit of its server cannot be set to 1.5 GiB: no such container"
    )
    assert machine.limits["maria"] == 1536 * MIB


def test_what_is_taken_is_lent_only_where_it_was_given_back(machine):
    machine.policy("8G")  # 0.5 GiB to lend beside two tenants
    machine.tenant("hans", working=700, limit=1536)
    machine.tenant("maria", working=950)
    machine.refuse["hans"] = "device or resource busy"
    machine.lending.settle()
    assert ("maria", 1536) not in machine.set
    machine.refuse.clear()
    machine.lending.settle()
    assert (machine.limits["hans"], machine.limits["maria"]) == (GIB, 1536 * MIB)
    assert machine.set.index(("hans", 1024)) < machine.set.index(("maria", 1536))


def test_a_stranger_to_its_promise_gets_that(machine):
    """A run that was cut off, or a person with `docker update`."""
    machine.tenant("hans", limit=512)
    machine.tenant("maria", limit=4096)
    machine.lending.settle()
    assert (machine.limits["hans"], machine.limits["maria"]) == (GIB, GIB)


def test_a_burst_that_is_switched_off_is_taken_back(machine):
    machine.tenant("hans", working=950, limit=1536, burst=0)
    machine.lending.settle()
    assert machine.limits["hans"] == GIB


def test_a_tenant_of_an_older_release_is_counted_and_left_alone(machine):
    machine.tenant("hans", working=1020)
    path = machine.tenants / "hans" / ".env"
    path.write_text(path.read_text().replace(f"SERVER_BURST={GIB // 2}\n", ""))
    lent = machine.lending.settle()
    assert (machine.set, lent.lent, lent.pool) == ([], {}, 21 * GIB // 2)


def test_who_rests_is_promised_nothing_while_nothing_of_it_runs(machine):
    machine.tenant("hans", working=None, state="stopped", limit=1536)
    assert machine.lending.settle().pool == 25 * GIB // 2
    machine.tenant("hans", working=600, state="stopped")
    assert machine.lending.settle().pool == 21 * GIB // 2


def test_who_starts_again_has_its_promise_alone(machine):
    machine.tenant("hans", working=None, state="stopped", limit=1536)
    machine.lending.make_room({"hans": machine.env()})
    assert machine.limits["hans"] == GIB


def test_without_a_policy_nothing_is_looked_at(machine):
    (machine.root / "memory.json").unlink()
    machine.tenant("hans", working=950)
    lent = machine.lending.settle()
    assert (lent.pool, lent.lent, machine.set) == (None, {}, [])


@pytest.mark.parametrize("text", ["", "[]", '{"total": "128G"}', '{"total": "much"}'])
def test_a_policy_that_cannot_be_read_is_told(machine, text):
    (machine.root / "memory.json").write_text(text)
    with pytest.raises(StackError, match=r"memory\.json cannot be read: .*; site\.yml writes it"):
        machine.lending.settle()


@pytest.mark.parametrize("text", ["", "[]", '{"hans/server": 1}', '{"hans": ["x", 0, null]}'])
def test_a_memory_of_needs_that_cannot_be_read_is_begun_anew(machine, text):
    machine.tenant("hans", working=900)
    (machine.root / "silo-burst.json").write_text(text)
    machine.lending.settle()
    assert machine.set == [("hans", 1536)]


def test_new_images_start_with_what_was_kept_for_them(machine):
    machine.tenant("hans", working=600)
    lending = machine.lending
    lending.make_room({"hans": machine.env()}, [("hans", "server")])
    machine.set.clear()
    machine.limits["hans"] = GIB  # Compose makes the container anew
    lending.give("hans", ["server"])
    assert machine.set == [("hans", 1536)]
    # The places of the world are imported after it is healthy.
    check_taken_back_in_time(machine)


def test_what_is_kept_for_a_container_that_is_not_there_is_lent_to_nobody_else(machine):
    machine.policy("8G")
    machine.tenant("hans", working=600)
    machine.tenant("maria", working=950)
    lent = machine.lending.make_room({"hans": machine.env()}, [("hans", "server")])
    assert sum(lent.lent.values()) == GIB // 2
    assert lent.lent == {("hans", "server"): GIB // 4, ("maria", "server"): GIB // 4}


def test_a_new_tenant_that_has_no_room_yet_is_waited_for_and_then_refused(machine):
    machine.policy("8G")
    machine.tenant("hans", working=1400, limit=1536)
    lent = machine.lending.make_room({"peter": machine.env("peter"), "eva": machine.env("eva")})
    assert machine.now >= 1000 + lending_module.ROOM_SECONDS
    assert (lent.short, lent.growing) == (1400 * MIB + MARGIN - GIB, {"peter", "eva"})
    assert lent.in_the_way == (
        "440 MiB of its promised memory is still in use as burst by hans, so nothing was started; "
        "it is given back within minutes, so run again, or lower tenant_server_burst"
    )


def test_memory_that_is_given_back_meanwhile_makes_room(machine):
    machine.policy("8G")
    machine.tenant("hans", working=1400, limit=1536)
    machine.sleep = lambda _seconds: machine.tenant("hans", working=600, limit=machine.limits["hans"] // MIB)
    lent = machine.lending.make_room({"peter": machine.env("peter"), "eva": machine.env("eva")})
    assert (lent.short, lent.in_the_way, machine.limits["hans"]) == (0, "", GIB)


def test_an_apply_looks_at_nobody_who_never_borrowed(machine):
    """Of a hundred tenants it would cost half a second."""
    for name in ("hans", "maria", "eva"):
        machine.tenant(name, working=600)
    machine.lending.settle()
    machine.tenant("maria", working=900)
    machine.lending.settle()
    machine.inspected.clear()
    machine.tenant("maria", working=600, limit=1536)
    machine.now += HOLD_SECONDS
    machine.lending.make_room({"hans": machine.env()})
    assert sorted(machine.inspected) == ["hans", "maria"]
    assert machine.limits["maria"] == GIB
    # What it did not look at is known still.
    assert set(json.loads((machine.root / "silo-burst.json").read_text())) == {
        "hans/server",
        "maria/server",
        "eva/server",
    }


def test_after_a_boot_an_apply_looks_at_all_because_limits_outlive_it(machine):
    machine.tenant("hans", working=600, limit=1536)
    machine.lending.make_room({"maria": machine.env("maria")})
    assert machine.limits["hans"] == GIB


def test_what_is_lent_is_known_before_it_is_lent(machine):
    machine.tenant("hans", working=900)
    known = []
    real = machine.set_limit

    def look(identity, limit):
        known.append(json.loads((machine.root / "silo-burst.json").read_text())["hans/server"][2])
        real(identity, limit)

    machine.set_limit = look
    machine.lending.settle()
    assert known == [machine.now]


def test_promises_beyond_the_machine_are_not_the_burst_s_to_refuse(machine):
    machine.policy("4G")
    machine.tenant("hans", working=600)
    lent = machine.lending.make_room({"peter": machine.env("peter")})
    assert (lent.pool, lent.short, lent.in_the_way) == (-7 * GIB // 2, 0, "")


@pytest.mark.parametrize("left", [False, True])
def test_a_template_that_is_made_has_its_memory_out_of_the_burst(machine, left):
    machine.tenant("hans", working=950)
    if left:
        (machine.root / "template").mkdir()
        lent = machine.lending.settle()
    else:
        lent = machine.lending.make_room({}, template=True)
    assert lent.pool == 15 * GIB // 2


def test_a_promise_that_becomes_smaller_counts_until_it_is(machine):
    machine.tenant("hans", memory=2 * GIB, limit=2048)
    lent = machine.lending.make_room({"hans": machine.env(memory=GIB)})
    assert (lent.pool, lent.growing, machine.set) == (19 * GIB // 2, frozenset(), [])


def test_a_promise_that_becomes_larger_is_given_by_the_new_container(machine):
    machine.tenant("hans", limit=1024)
    lent = machine.lending.make_room({"hans": machine.env(memory=2 * GIB)})
    assert (lent.growing, machine.set) == ({"hans"}, [])


def test_a_container_that_ends_meanwhile_is_no_error(machine, monkeypatch):
    machine.tenant("hans", working=950)

    def gone(_identity):
        raise StackError("no such container")

    monkeypatch.setattr(machine, "inspect", gone)
    assert machine.lending.settle().lent == {}


@pytest.mark.parametrize("step", range(1, 8))
def test_a_run_that_was_cut_off_at_any_point_exceeds_nothing_and_the_next_puts_it_right(machine, step):
    machine.policy("9G")  # 1.5 GiB beside two tenants
    machine.tenant("hans", working=600, limit=1536)
    machine.tenant("maria", working=950)
    left, real = [step], machine.set_limit

    def cut_off(identity, limit):
        left[0] -= 1
        if left[0] == 0:
            raise KeyboardInterrupt
        real(identity, limit)

    machine.set_limit = cut_off
    lending = machine.lending
    machine.set_limit = real
    try:
        lending.make_room({"hans": machine.env()}, [("hans", "server")])
        lending.give("hans", ["server"])
    except KeyboardInterrupt:
        pass
    assert sum(limit - GIB for limit in machine.limits.values()) <= 3 * GIB // 2
    machine.now += HOLD_SECONDS
    machine.lending.settle()
    assert machine.limits == {"hans": GIB, "maria": 1536 * MIB}


@pytest.fixture
def group(tmp_path, monkeypatch):
    """The control group of version 2 of process 42."""
    place = tmp_path / "cgroup" / "silo.slice"
    place.mkdir(parents=True)
    (place / "memory.current").write_text("900\n")
    (place / "memory.stat").write_text("anon 500\ninactive_file 300\n")
    (place / "memory.events").write_text("max 5\noom_kill 2\n")
    (place / "memory.reclaim").write_text("")
    monkeypatch.setattr(lending_module.cgroup, "read", lambda _pid: real_read(place))
    monkeypatch.setattr(lending_module.cgroup, "places", lambda _pid: {"": place})
    real_read = lending_module.cgroup.read_directory
    return place


def test_use_is_what_the_kernel_and_the_engine_say(group):
    found = {"State": {"Pid": 42}, "RestartCount": 3}
    assert use(found) == Use(900, 600, 5, group / "memory.reclaim")
    assert use({"State": {"Pid": 0}}) is None
    (group / "memory.reclaim").unlink()
    assert use(found).reclaim is None


def test_without_version_2_only_what_cannot_be_dropped_is_known(group):
    lending_module.cgroup.places = lambda _pid: {"memory": group}
    assert use({"State": {"Pid": 42}}) == Use(600, 600, 2, None)


def test_the_kernel_is_asked_to_drop_so_many_bytes(group):
    used = use({"State": {"Pid": 42}})
    assert drop(used, 300) == 900
    assert (group / "memory.reclaim").read_text() == "300"
    assert drop(dataclasses.replace(used, reclaim=None), 300) == 900


def test_a_limit_is_set_without_swap_and_without_a_restart(monkeypatch):
    asked = []
    monkeypatch.setattr(lending_module.engine, "post", lambda *request: asked.append(request))
    lending_module.set_limit("silo-hans-server-1", 4096)
    assert asked == [("/containers/silo-hans-server-1/update", {"Memory": 4096, "MemorySwap": 4096})]


def test_the_machines_memory_is_in_bytes(tmp_path):
    path = tmp_path / "meminfo"
    path.write_text("MemTotal:  2048 kB\n")
    assert lending_module.existing(path) == 2 * MIB
    path.write_text("nothing\n")
    with pytest.raises(StackError, match="does not say how much memory this server has"):
        lending_module.existing(path)
