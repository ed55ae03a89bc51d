"""The benchmark's own arithmetic, its table, and the stubs that it makes of the project's own stack."""

import itertools
import json
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from silo.tenant import services
from silo.tenants import TenantService
from tests.bench import __main__ as command
from tests.bench import adding, born, by_hand, counting, learning, living, many, place, routing, several, stubs, table
from tests.bench.line import BenchError, Line, fastest, interleaved
from tests.unit.patience import PATIENCE

ROOT = Path(__file__).parents[3]


def line(ours=(1.0,), theirs=(2.0,), aim=1.0, **more):
    return Line("1", "ours", "theirs", tuple(ours), tuple(theirs), aim, **more)


def test_a_line_compares_medians():
    one = line(ours=(1.0, 9.0, 2.0), theirs=(4.0, 4.0, 100.0), aim=0.5)
    assert (one.value, one.base, one.ratio, one.reached) == (2.0, 4.0, 0.5, True)
    assert line(ours=(2.01,), theirs=(4.0,), aim=0.5).reached is False


def test_a_line_without_another_side_compares_itself_with_the_aim():
    assert (line(theirs=(), aim=1.0).ratio, line(theirs=(), aim=1.0).reached) == (None, True)
    assert line(theirs=(), aim=0.9).reached is False
    assert line(aim=None).reached is None


def test_rounds_take_all_works_in_turn():
    seen = []

    def work(name):
        return lambda: seen.append(name) or float(len(seen))

    assert interleaved(2, work("a"), work("b")) == ((1.0, 3.0), (2.0, 4.0))
    assert seen == ["a", "b", "a", "b"]
    with pytest.raises(BenchError, match="0 rounds measure nothing"):
        interleaved(0, work("a"))


def test_the_fastest_alternative_counts():
    assert fastest({"2 at a time": [3.0, 9.0, 3.0], "4 at a time": [2.0, 2.5, 90.0]}) == (
        "4 at a time",
        (2.0, 2.5, 90.0),
    )


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.0042, "s", "4.20 ms"),
        (0.1, "s", "0.10 s"),
        (12.34, "s", "12.3 s"),
        (123.4, "s", "123 s"),
        (56.7, "MiB", "56.7 MiB"),
        (0.05, "%", "0.05 %"),
    ],
)
def test_amounts_have_three_digits(value, unit, text):
    assert table.amount(value, unit) == text


@pytest.mark.parametrize(("value", "text"), [(1.314, "1.31"), (0.5, "0.50"), (0.2, "1/5"), (1 / 80, "1/80"), (0, "0")])
def test_ratios_are_as_people_say_them(value, text):
    assert table.ratio(value) == text


def test_the_table_says_what_is_reached_and_what_is_not():
    text = table.markdown([line(aim=0.4), line(theirs=(), aim=2.0, note="stub stacks"), line(aim=None)])
    head, rule, first, second, third = text.splitlines()
    assert [cell.strip() for cell in head.strip("|").split("|")] == list(table.HEADINGS)
    assert set(rule) == set("| -")
    assert [cell.strip() for cell in first.strip("|").split("|")][5:] == ["0.50", "1/2", "**no**", "1"]
    assert [cell.strip() for cell in second.strip("|").split("|")] == [
        *("1", "ours (stub stacks)", "1.00 s", "theirs", "", "", "2.00 s", "yes", "1")
    ]
    assert [cell.strip() for cell in third.strip("|").split("|")][6:8] == ["", ""]
    assert len({len(row) for row in text.splitlines()}) == 1


def test_json_has_every_round():
    found = json.loads(table.as_json({"cores": "2"}, [line(ours=(1.0, 3.0))], [{"tenants": 1.0}]))
    assert found["machine"] == {"cores": "2"}
    assert found["lines"][0]["ours"] == [1.0, 3.0]
    assert (found["lines"][0]["median"], found["lines"][0]["ratio"]) == (2.0, 1.0)
    assert found["scale"] == [{"tenants": 1.0}]


def test_the_table_of_growth_has_a_column_for_each_number():
    assert table.scale_table([]) == ""
    text = table.scale_table([{"tenants": 1.0, "plan, s": 1.5}, {"tenants": 15.0, "plan, s": 1.6, "more": 2.0}])
    assert text.splitlines() == [
        "| tenants | 1 | 15 |",
        "| --- | --- | --- |",
        "| plan, s | 1.5 | 1.6 |",
        "| more |  | 2 |",
    ]


def test_a_stub_is_the_projects_stack_with_other_programs_in_it():
    text = (ROOT / "roles" / "tenant" / "files" / "compose.yaml").read_text()
    real, stub = yaml.safe_load(text), yaml.safe_load(stubs.compose(text))
    assert stub["networks"] == real["networks"]
    for name, service in real["services"].items():
        for key in ("image", "networks", "labels", "mem_limit", "security_opt", "cap_drop", "user", "logging"):
            assert stub["services"][name][key] == service[key]
        assert stub["services"][name].get("depends_on") == service.get("depends_on")
        assert stub["services"][name]["healthcheck"]["start_interval"] == service["healthcheck"]["start_interval"]
        assert "volumes" not in stub["services"][name]


def test_a_stubs_services_are_read_as_those_of_a_tenant(tmp_path, monkeypatch):
    file = tmp_path / "compose.yaml"
    file.write_text(stubs.compose(services.compose_path().read_text()))
    real = services.services()
    monkeypatch.setattr(services, "compose_path", lambda: file)
    stub = services.services()
    assert {(one.name, one.address, one.port) for one in stub.values()} == {
        (one.name, one.address, one.port) for one in real.values()
    }


LAB = {
    **dict.fromkeys(("name", "container", "registry", "resolver", "ssh_key", "known_hosts", "address"), "none"),
    **dict.fromkeys(("ca_file", "lab_ca_file", "acme_directory"), "none"),
    "domain": "swissphoto.test",
    "images": {name: f"r/{name}:1" for name in ("immich_server", "postgres", "valkey", "traefik", "pages")},
}


def test_an_inventory_of_stubs_is_one_that_silo_reads_and_holds_their_images(tmp_path):
    found = TenantService(stubs.Stubs(place.Place(LAB, tmp_path)).inventory("stubs", 2), commit=False).tenants()
    assert sorted(found) == ["stub1", "stub2"]
    assert found["stub2"].settings["tenant_images"] == {
        "server": "r/pages:1",
        "database": "r/valkey:1",
        "cache": "r/valkey:1",
    }
    assert found["stub2"].index == stubs.FIRST_INDEX + 1


def test_the_copy_of_the_repository_has_stubs_for_tenants(tmp_path):
    copy = stubs.tree(tmp_path)
    role = copy / "collections" / "ansible_collections" / "swissphoto" / "silo" / "roles" / "tenant"
    assert "infinity" in (role / "files" / "compose.yaml").read_text()
    assert (copy / "playbooks" / "group_vars").resolve() == copy / "group_vars"


def test_a_recap_tells_where_something_changed():
    recap = "stub1  : ok=5    changed=0    unreachable=0\nstub2  : ok=5    changed=1    unreachable=0\n"
    assert stubs.changed(recap) == ["stub2"]


def test_the_server_times_by_its_own_clock(tmp_path):
    script = place.TIMED.replace("$SCRIPT", 'sleep 0.2; echo noise; echo "$1"')
    said = subprocess.run(["bash", "-euc", script, "bash", "x"], capture_output=True, text=True, check=True).stdout
    assert 0.2 <= int(said) / 1e9 < PATIENCE


def test_a_script_that_fails_on_the_server_is_no_measurement():
    script = place.TIMED.replace("$SCRIPT", "false")
    assert subprocess.run(["bash", "-euc", script], capture_output=True, check=False).returncode == 1


def test_the_interval_is_that_of_the_projects_own_stack():
    text = (ROOT / "roles" / "tenant" / "files" / "compose.yaml").read_text()
    intervals = {service["healthcheck"]["interval"] for service in yaml.safe_load(text)["services"].values()}
    assert intervals == {f"{living.interval():.0f}s"}


class Server:
    """A place that writes down what is run on it, and takes one second for each script."""

    def __init__(self):
        self.lab, self.ran = LAB, []

    def shell(self, script, *arguments):
        self.ran.append((script, *arguments))
        return ""

    def timed(self, script, *arguments):
        self.ran.append((script, *arguments))
        return 1.0


def test_what_a_person_writes_is_of_the_official_images_and_nothing_of_ours():
    text = by_hand.FILE.read_text()
    made = yaml.safe_load(text)["services"]
    assert set(made) == {"immich-server", "redis", "database"}
    assert "silo" not in text
    assert made["immich-server"]["healthcheck"]["test"] == ["CMD", "immich-healthcheck"]
    project = services.project()["services"]
    starts = {one["healthcheck"]["start_interval"] for one in (*made.values(), *project.values())}
    assert starts == {"200ms"}, "else one of them waits longer for the same health"


def test_each_stack_by_hand_has_fresh_data_and_every_variable_with_a_password_of_its_own():
    server = Server()
    by_hand.ByHand(server).make("one", "two")
    removed, made, removed_too, made_too = server.ran
    assert removed == (by_hand.REMOVE, "one")
    assert removed_too == (by_hand.REMOVE, "two")
    values = [dict(line.split("=", 1) for line in run[2].splitlines()) for run in (made, made_too)]
    assert set(services.VARIABLE.findall(by_hand.FILE.read_text())) == set(values[0])
    assert values[0]["SERVER_IMAGE"] == LAB["images"]["immich_server"]
    assert values[0].pop("DB_PASSWORD") != values[1].pop("DB_PASSWORD")
    assert values[0] == values[1]


def test_the_scripts_by_hand_do_what_they_say(tmp_path, monkeypatch):
    """On this machine, with a Compose that says where and how it was called."""
    (tmp_path / "bin").mkdir()
    docker = tmp_path / "bin" / "docker"
    docker.write_text(f'#!/bin/sh\necho "$PWD $*" >>{tmp_path}/called; echo 1\n')
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", f"{docker.parent}:/usr/bin:/bin")

    def run(script, *arguments):
        command = ["bash", "-euc", script.replace(by_hand.HOME, str(tmp_path / "home")), "bash", *arguments]
        subprocess.run(command, check=True, timeout=60)

    run(by_hand.MAKE, "services: {}", "A=1\n", "one")
    assert (tmp_path / "home" / "one" / "compose.yaml").read_text() == "services: {}"
    assert (tmp_path / "home" / "one" / ".env").read_text() == "A=1\n"
    run(by_hand.UP, "one")
    run(by_hand.LOOP, "2", "one")
    run(by_hand.REST, "one")
    run(by_hand.PLACES, "one", by_hand.STATE)
    run(by_hand.REMOVE, "one", "none")
    assert not (tmp_path / "home" / "one").exists()
    called = (tmp_path / "called").read_text().replace(f"{tmp_path}/home/one ", "").splitlines()
    up = "compose up --detach --wait"
    psql = f"compose exec -T database psql -U postgres -d immich -XAtc {by_hand.STATE}"
    assert called == [up, up, "compose stop", up, psql, "compose down --timeout 60"]


def test_lines_1_measure_both_sides_in_each_round(monkeypatch):
    server = Server()
    run = place.Run(8.0, "")
    server.inventory = lambda *_given: Path("inventory")
    server.bury = server.clean = lambda *_given: None
    server.silo = server.ansible = lambda *_given: run
    found = {line.number: line for line in adding.one(server, 2)}
    assert {number: (one.value, one.base, one.aim) for number, one in found.items()} == {
        "1": (8.0, 1.0, 1.25),
        "1b": (8.0, 1.0, 1.0),
        "1c": (8.0, 2.0, 0.4),
        "1d": (8.0, 2.0, 0.4),
    }
    assert {len(one.ours) for one in found.values()} == {2}


@pytest.mark.parametrize(
    ("counts", "busy"), [({"active": 0, "waiting": 0}, False), ({"active": 1, "waiting": 0}, True)]
)
def test_a_first_day_lasts_until_the_last_photo_is_worked_on(counts, busy):
    answer = SimpleNamespace(json={"thumbnailGeneration": {"jobCounts": counts}})
    assert born._busy(SimpleNamespace(get=lambda _path: answer)) is busy


def test_a_first_day_on_which_uploads_are_refused_is_no_measurement(monkeypatch):
    monkeypatch.setattr(born, "picture", lambda _pixels: b"")
    refused = SimpleNamespace(status=507)
    cloud = SimpleNamespace(
        host="day0", login=lambda *_given: SimpleNamespace(status=201), upload=lambda *_given: refused
    )
    with pytest.raises(BenchError, match="day0 answers an upload with 507; it must be 201"):
        born._upload(cloud, "day0@example.ch", "x")


def test_the_lab_has_stand_ins_that_cost_what_the_official_images_do(monkeypatch):
    made = []
    monkeypatch.setattr(
        place.subprocess, "run", lambda _command, **how: made.append(how) or SimpleNamespace(returncode=0)
    )
    monkeypatch.delenv("IMAGES", raising=False)
    place.remove_lab()
    monkeypatch.setenv("IMAGES", "official")
    place.remove_lab()
    assert [how["env"]["IMAGES"] for how in made] == ["costly", "official"]


def test_each_line_of_the_issue_is_measured_once():
    assert sorted(command.NUMBERS, key=int) == [str(number) for number in range(1, 20)]
    every = [adding, living, born, counting, learning, many, routing, several]
    assert sorted(itertools.chain(*(module.NUMBERS for module in every))) == sorted(command.NUMBERS)


@pytest.mark.parametrize("arguments", [["--only", "2,99"], ["--scale", "1,many"], ["--scale", "0"]])
def test_what_is_typed_wrong_is_told_before_a_lab_is_made(arguments, monkeypatch):
    monkeypatch.setattr(place, "make_lab", lambda: pytest.fail("a lab was made"))
    monkeypatch.setattr(place, "remove_lab", lambda: pytest.fail("a lab was removed"))
    with pytest.raises(SystemExit) as ended:
        command.main(arguments)
    assert ended.value.code == 2


def test_what_fails_is_told_and_keeps_nothing_else_from_being_measured(monkeypatch, tmp_path, capsys):
    def fails(*_given):
        raise BenchError("the cable is out")
        yield

    monkeypatch.setattr(place, "set_up", lambda work: place.Place({"container": "none"}, work))
    monkeypatch.setattr(place.Place, "machine", lambda self: {"cores": "2"})
    monkeypatch.setattr(place, "remove_lab", lambda: None)
    monkeypatch.setattr(command, "RESULTS", tmp_path)
    monkeypatch.setattr(adding, "lines", fails)
    monkeypatch.setattr(living, "lines", lambda *_given: iter([line()]))
    assert command.main(["--only", "1,7"]) == 1
    shown = capsys.readouterr()
    assert "the cable is out" in shown.err
    assert "Machine: cores 2." in shown.out
    assert json.loads((tmp_path / "result.json").read_text())["lines"][0]["ratio"] == 0.5
    assert "| 1 | ours" in (tmp_path / "table.md").read_text()
