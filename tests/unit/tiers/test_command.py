"""One run at a time has labs on a machine; the lab of a part that failed is left when asked."""

import fcntl

import pytest

from tests.tiers import __main__ as module
from tests.tiers.parts import Part, Place
from tests.tiers.run import Ended


class Lab:
    """A lab that is there, and remembers that it was removed."""

    def __init__(self, name):
        self.server_name, self.directory, self.is_removed = name, self, False
        self.lab_json = f"{name}/lab.json"

    def is_there(self):
        return not self.is_removed

    def down(self):
        self.is_removed = True


@pytest.fixture
def labs(monkeypatch, tmp_path):
    made = {}

    def laboratory(name):
        return made.setdefault(name, Lab(name))

    monkeypatch.setattr(module, "_laboratory", laboratory)
    monkeypatch.setattr(module, "REPORTS", tmp_path / "reports")
    return made


def test_a_second_run_on_the_machine_is_refused_by_a_sentence(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(module, "LOCK", tmp_path / "lock")
    monkeypatch.setattr(module, "REPORTS", tmp_path / "reports")
    with (tmp_path / "lock").open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        assert module.main(["test"]) == 1
    assert "test: another run of the tests has its labs on this machine" in capsys.readouterr().err
    assert not (tmp_path / "reports").exists()


@pytest.mark.parametrize(("keep", "left"), [("1", ["silo-test-platform"]), ("", [])])
def test_the_lab_of_a_part_that_failed_is_left_when_asked(labs, tmp_path, monkeypatch, capsys, keep, left):
    monkeypatch.setenv("KEEP", keep)
    place = Place(tmp_path / "work", tmp_path / "reports")
    parts = [Part(name, [], lab=f"silo-test-{name}") for name in ("tenants", "platform")]
    for part in parts:
        (place.work / part.name / "inventory").mkdir(parents=True)
    with module._labs_removed(parts, place) as ended:
        # What a killed run has left is gone by now.
        assert all(lab.is_removed for lab in labs.values())
        for lab in labs.values():
            lab.is_removed = False
        ended += [Ended(parts[0], 1.0), Ended(parts[1], 1.0, "it failed")]
    there = [name for name in ("silo-test-tenants", "silo-test-platform") if not labs[name].is_removed]
    assert there == left
    said = capsys.readouterr().out
    assert ("docker exec -it silo-test-platform bash" in said) == bool(left)
    assert (tmp_path / "reports" / "kept" / "platform" / "inventory").exists() == bool(left)
