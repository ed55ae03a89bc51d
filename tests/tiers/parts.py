"""The parts of a tier: they run in parallel, each after those that it needs."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
PYTHON = sys.executable
Command = tuple[str, ...]
# Two labs in parallel: on one, customers come and go; on the other, tests read, attack and break a server.
LANES = ("tenants", "platform")
FLEET = "fleet"  # the scenario with two servers, begun when one lane has ended
ALONE = "fairness"  # the scenario that measures, after all others, in `make test-all` only
NOTHING = "lab"  # the scenario that converges a server from nothing
QUICK = "--quick"  # leaves out tests that are marked long
# Deadlines in seconds. What hangs must fail and name itself while CI still has time to say so.
TEST_SECONDS = 2400  # the first test of the virtual machines prepares them
RUN_SECONDS = 80 * 60
SLOW_RUN_SECONDS = 3 * 3600


@dataclasses.dataclass(frozen=True)
class Part:
    """A sequence of commands.

    `needs` are parts that must have passed; `behind` are parts that must have ended, passed or failed. `lab` is the
    part's own lab, which is removed afterwards. The part is ended `limit` seconds after the run began.
    """

    name: str
    commands: Sequence[Command]
    needs: tuple[str, ...] = ()
    behind: tuple[str, ...] = ()
    env: Mapping[str, str] = dataclasses.field(default_factory=dict)
    lab: str = ""
    limit: float = RUN_SECONDS


@dataclasses.dataclass(frozen=True)
class Place:
    """The directories of a run: `work` is removed at its end, `reports` stays. `prefix` begins the names of labs."""

    work: Path
    reports: Path
    prefix: str = "silo-test"
    slow: bool = False

    def pytest(self, *more: str) -> str:
        """Return the options of every pytest of this run."""
        slow = ("--slow", f"--faults={self.reports / 'faults'}") if self.slow else ()
        return " ".join(("-p", "no:cacheprovider", f"--timeout={TEST_SECONDS}", *slow, *more))

    def limit(self) -> float:
        """Return the seconds of a run, after which its parts are ended."""
        return SLOW_RUN_SECONDS if self.slow else RUN_SECONDS

    def of_lab(self, name: str) -> dict[str, str]:
        """Return the environment of a part with its own lab and inventory, so that it does not affect a demo."""
        lab, own = f"{self.prefix}-{name}", self.work / name
        return {
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "MOLECULE_EPHEMERAL_DIRECTORY": str(own / "molecule"),
            "SILO_ROOT": str(ROOT),
            "SILO_LAB": lab,
            "SILO_LAB_FILE": str(ROOT / ".lab" / lab / "lab.json"),
            "SILO_INVENTORY": str(own / "inventory"),
            "SILO_VAULT_PASSWORD_FILE": str(own / "vault-password"),
            "SILO_QUOTA_HOST": f"container:{lab}",
            "PYTEST_ADDOPTS": self.pytest(),
        }

    def make_inventory(self, name: str) -> None:
        """Write the inventory of a lab: the demo's files in git, and a password for its vaults."""
        environment = self.of_lab(name)
        subprocess.run(("tools/inventory", "copy", environment["SILO_INVENTORY"]), cwd=ROOT, check=True)
        password = Path(environment["SILO_VAULT_PASSWORD_FILE"])
        password.touch(mode=0o600)
        password.write_text(os.urandom(24).hex())


def _unit(place: Place, *more: str, behind: Iterable[str] = (), workers: str = "auto") -> Part:
    examples = {"SILO_TEST_EXAMPLES": "all"} if place.slow else {}
    command = (PYTHON, "-m", "pytest", "-q", "-n", workers, "--dist", "worksteal", "tests/unit")
    env = {"PYTEST_ADDOPTS": place.pytest(*more), **examples}
    return Part("unit", [command], behind=tuple(behind), env=env, limit=place.limit())


def _contract(place: Place, *more: str, behind: Iterable[str] = ()) -> Part:
    command = (PYTHON, "-m", "pytest", "-q", "tests/contract")
    env = {"PYTEST_ADDOPTS": place.pytest(*more)}
    return Part("contract", [command], behind=tuple(behind), env=env, limit=place.limit())


def _molecule(place: Place, scenario: str, needs: tuple[str, ...] = (), behind: tuple[str, ...] = ()) -> Part:
    # Molecule would remove the lab of a failed test; the run itself removes the labs at its end.
    kept = ("--destroy=never",) if os.environ.get("KEEP") == "1" else ()
    command = ("molecule", "test", "--scenario-name", scenario, *kept)
    # Molecule looks for its scenarios below its working directory.
    commands = [("env", "--chdir", "tests", *command)]
    lab, env = f"{place.prefix}-{scenario}", place.of_lab(scenario)
    return Part(scenario, commands, needs, behind, env, lab, place.limit())


def _storage(place: Place) -> Part:
    lab = f"{place.prefix}-storage"
    env = {**place.of_lab("storage"), "SILO_QUOTA_HOST": f"vm:{ROOT / '.lab' / lab / 'vm' / 'nas'}"}
    up = (PYTHON, "-m", "tests.lab.vm", "up")
    tests = (PYTHON, "-m", "pytest", "-q", "tests/vm", "tests/integration/storage_quota")
    return Part("storage", [up, tests], env=env, lab=lab, limit=place.limit())


def check(place: Place, changed: Sequence[str]) -> list[Part]:
    """Return the parts of `make check`: no lab, no long tests, and only the gates for the changed files.

    All of them begin at once, because each waits often: for a process, a deadline, or its only thread.
    """
    # So does each worker; beside labs, which keep all cores busy, one more would not help.
    workers = str(len(os.sched_getaffinity(0)) + 1)
    return [
        Part("lint", [("tools/lint", "--changed", *changed)]),
        _contract(place, QUICK),
        _unit(place, QUICK, workers=workers),
    ]


def test(place: Place, *, is_kept: bool, storage: bool) -> list[Part]:
    """Return the parts of `make test` and `make test-all`.

    `is_kept`: a snapshot fits, so no server is converged from nothing. `storage`: it changed since its last test, or
    all tests run, so virtual machines test it.
    """
    made = () if is_kept else (_molecule(place, NOTHING),)
    needs = tuple(part.name for part in made)
    beside = [
        *made,
        *(_molecule(place, lane, needs) for lane in LANES),
        _molecule(place, FLEET, needs, behind=LANES[:1]),
        *((_storage(place),) if storage else ()),
        Part("lint", [("tools/lint",)]),
        _contract(place, behind=("lint",)),
        _unit(place, behind=("contract",)),
    ]
    if not place.slow:
        return beside
    return [*beside, _molecule(place, ALONE, needs, behind=tuple(part.name for part in beside))]
