"""What belongs to which tier."""

import subprocess

import pytest

from tests.tiers import parts
from tests.tiers.parts import ALONE, FLEET, LANES, NOTHING, ROOT, Place


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path / "work", tmp_path / "reports")


def names(found):
    return [part.name for part in found]


def test_before_a_commit_no_lab_is_made(place):
    found = parts.check(place, ["a.py", "roles/nas/tasks/main.yml"])
    assert names(found) == ["lint", "contract", "unit"]
    assert not any(part.lab or part.needs or part.behind for part in found)
    assert found[0].commands == [("tools/lint", "--changed", "a.py", "roles/nas/tasks/main.yml")]
    assert ["--quick" in part.env.get("PYTEST_ADDOPTS", "") for part in found] == [False, True, True]


def test_what_is_long_is_left_to_make_test(place):
    for part in parts.test(place, is_kept=False, storage=True):
        assert "--quick" not in part.env.get("PYTEST_ADDOPTS", "")


def test_a_server_is_made_from_nothing_unless_one_is_kept(place):
    fresh = {part.name: part for part in parts.test(place, is_kept=False, storage=False)}
    kept = {part.name: part for part in parts.test(place, is_kept=True, storage=False)}
    assert set(fresh) - set(kept) == {NOTHING}
    for lane in LANES:
        assert fresh[lane].needs == (NOTHING,)
        assert kept[lane].needs == ()


def test_parts_stand_behind_those_that_they_wait_for(place):
    found = parts.test(place, is_kept=False, storage=True)
    for number, part in enumerate(found):
        assert {*part.needs, *part.behind} <= set(names(found[:number]))


def test_file_systems_are_tried_where_storage_has_changed(place):
    proved = parts.test(place, is_kept=True, storage=False)
    changed = parts.test(place, is_kept=True, storage=True)
    assert set(names(changed)) - set(names(proved)) == {"storage"}


@pytest.mark.parametrize(("keep", "is_kept"), [("1", True), ("", False)])
def test_the_lab_of_a_test_that_failed_is_left_when_asked(place, monkeypatch, keep, is_kept):
    monkeypatch.setenv("KEEP", keep)
    lanes = [part for part in parts.test(place, is_kept=True, storage=False) if part.name in LANES]
    assert ["--destroy=never" in part.commands[0] for part in lanes] == [is_kept] * len(LANES)


def test_each_lab_has_a_name_an_inventory_and_a_password_of_its_own(place):
    found = [part for part in parts.test(place, is_kept=False, storage=True) if part.lab]
    for variable in ("SILO_LAB", "SILO_LAB_FILE", "SILO_INVENTORY", "SILO_VAULT_PASSWORD_FILE", "SILO_QUOTA_HOST"):
        assert len({part.env[variable] for part in found}) == len(found)
    assert {part.lab for part in found} == {part.env["SILO_LAB"] for part in found}
    assert "silo-lab" not in {part.lab for part in found}


def test_what_is_measured_has_the_machine_for_itself(tmp_path):
    found = parts.test(Place(tmp_path / "work", tmp_path / "reports", slow=True), is_kept=False, storage=True)
    assert found[-1].name == ALONE
    assert {*found[-1].behind} == set(names(found[:-1]))
    assert ALONE not in names(parts.test(Place(tmp_path / "work", tmp_path / "reports"), is_kept=False, storage=True))


def test_all_runs_what_is_slow_with_all_examples_and_keeps_what_faults_have_shown(tmp_path):
    place = Place(tmp_path / "work", tmp_path / "reports", slow=True)
    for part in parts.test(place, is_kept=False, storage=True):
        if part.name != "lint":
            assert "--slow" in part.env["PYTEST_ADDOPTS"]
            assert f"--faults={tmp_path}/reports/faults" in part.env["PYTEST_ADDOPTS"]
    unit = next(part for part in parts.test(place, is_kept=True, storage=False) if part.name == "unit")
    assert unit.env["SILO_TEST_EXAMPLES"] == "all"


def test_an_inventory_is_what_git_knows_of_the_demo(place, tmp_path, monkeypatch):
    # In a clone: a file that comes and goes here would change what a snapshot is of, while another part makes one.
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "--quiet", ROOT, clone], check=True)
    (clone / "inventory" / "demo" / "host_vars" / "of-a-unit-test.yml").write_text("tenant_index: 1\n")
    monkeypatch.setattr(parts, "ROOT", clone)
    place.make_inventory("tenants")
    environment = place.of_lab("tenants")
    folder = place.work / "tenants" / "inventory"
    assert environment["SILO_INVENTORY"] == str(folder)
    assert (folder / "hosts.yml").exists()
    assert not (folder / "host_vars" / "of-a-unit-test.yml").exists()
    password = place.work / "tenants" / "vault-password"
    assert password.stat().st_mode & 0o777 == 0o600
    assert len(password.read_text()) > 40


def test_every_scenario_of_molecule_is_there_and_its_tests_too():
    for scenario in (NOTHING, *LANES, FLEET, ALONE):
        assert (ROOT / "tests" / "molecule" / scenario / "molecule.yml").is_file()
    for lane in (*LANES, FLEET, ALONE):
        assert list((ROOT / "tests" / "e2e" / lane).glob("test_*.py"))
