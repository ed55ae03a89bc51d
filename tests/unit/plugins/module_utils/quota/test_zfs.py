"""ZFS, by what its manual says that C(zfs list -Hp) prints.

No pool was at hand: the session here was written after zfs-list(8) and zfsprops(7) of OpenZFS 2.3, and not recorded.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.swissphoto.silo.plugins.module_utils.command import CommandError, Completed
from ansible_collections.swissphoto.silo.plugins.module_utils.common.mounts import Mount
from ansible_collections.swissphoto.silo.plugins.module_utils.quota.base import (
    QuotaError,
    QuotaTenant,
    State,
    Usage,
)
from ansible_collections.swissphoto.silo.plugins.module_utils.quota.converge import QuotaOutcome, converge
from ansible_collections.swissphoto.silo.plugins.module_utils.quota.rules import QuotaPolicy
from ansible_collections.swissphoto.silo.plugins.module_utils.quota.trash import Order, trash
from ansible_collections.swissphoto.silo.plugins.module_utils.quota.zfs import (
    COLUMNS,
    Dataset,
    Zfs,
    commands,
    parse_datasets,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.examples import examples

GIB = 2**30
HANS = QuotaTenant("hans", 1, 200001, 200001, 100 * GIB)
DOCUMENTED = Path(__file__).with_name("sessions") / "zfs-documented-list.txt"
POOL = ["zfs", "list", "-Hp", "-d", "0", "-o", "used,available", "tank/instances"]
LIST = ["zfs", "list", "-Hp", "-d", "2", "-t", "filesystem"]


@pytest.fixture
def text(tmp_path: Path) -> str:
    """The documented session, as if the root were at a path of this test."""
    return DOCUMENTED.read_text(encoding="utf-8").replace("\t/instances", f"\t{tmp_path / 'instances'}")


@pytest.fixture
def zfs(tmp_path: Path, shell: Any, text: str) -> Zfs:
    for name in ("anna", "hans", "maria", "peter", "plain", "vera"):
        (tmp_path / "instances" / name).mkdir(parents=True)
    shell.answers = [(LIST, Completed(0, text)), (POOL, Completed(0, f"{600 * GIB}\t{1400 * GIB}\n"))]
    return Zfs(Mount(str(tmp_path / "instances"), "zfs", "tank/instances", "/", frozenset({"rw", "xattr"})), shell)


def test_reads_all_directories_by_one_process(zfs: Zfs, shell: Any) -> None:
    survey = zfs.read()
    assert shell.ran == [[*LIST, "-o", ",".join(COLUMNS), "tank/instances"]]
    assert survey.directories["hans"] == State(1, 100 * GIB, Usage(5368725504))
    assert survey.directories["maria"] == State(2, 500 * GIB, Usage(98304))
    assert survey.directories["anna"] == State(None, None, Usage(98304))
    assert survey.directories["plain"].problem.startswith("is a plain directory and not a dataset")
    assert survey.holders == {1: "hans", 2: "maria", 3: "peter", 4: "vera"}


@pytest.mark.parametrize("name", ["peter", "vera"])
def test_a_dataset_that_is_not_in_its_place_is_a_problem(zfs: Zfs, name: str) -> None:
    (zfs.root / name).rmdir()
    state = zfs.read().directories[name]
    assert state.limit == 100 * GIB
    assert state.problem == (
        f"its dataset tank/instances/{name} is not mounted at {zfs.root / name}; "
        f"'zfs mount tank/instances/{name}' does it"
    )


def test_the_pool_is_what_all_datasets_use_and_what_is_free(zfs: Zfs, shell: Any) -> None:
    assert zfs.pool() == 2000 * GIB
    assert shell.ran == [POOL]


@pytest.mark.parametrize(("source", "root"), [("tank/instances", "/below"), ("/dev/sda1", "/")])
def test_refuses_a_root_that_is_no_dataset(tmp_path: Path, source: str, root: str) -> None:
    backend = Zfs(Mount(str(tmp_path), "zfs", source, root, frozenset()), lambda _: Completed(0))
    with pytest.raises(QuotaError, match="is not the mount point of a ZFS dataset of its own"):
        backend.check()


def test_takes_a_root_that_is_one(zfs: Zfs, shell: Any) -> None:
    zfs.check()
    assert shell.ran == []


def test_a_new_dataset_has_its_limit_from_its_first_moment() -> None:
    assert list(commands("tank/instances", HANS, {})) == [
        ["zfs", "create", "-o", f"refquota={100 * GIB}", "-o", "swissphoto:id=1", "tank/instances/hans"]
    ]


@pytest.mark.parametrize(
    ("state", "properties"),
    [
        (State(1, 50 * GIB), [f"refquota={100 * GIB}"]),
        # Where a little more is in use than the limit, ZFS would refuse to set the same again.
        (State(None, 100 * GIB), ["swissphoto:id=1"]),
        (State(None, None), [f"refquota={100 * GIB}", "swissphoto:id=1"]),
    ],
)
def test_sets_what_differs_and_nothing_else(state: State, properties: list[str]) -> None:
    assert list(commands("tank", HANS, {"hans": state})) == [["zfs", "set", *properties, "tank/hans"]]


def test_what_is_right_is_left_alone() -> None:
    assert list(commands("tank", HANS, {"hans": State(1, 100 * GIB)})) == []


def run(zfs: Zfs, *tenants: dict[str, Any], check: bool = False, **policy: Any) -> list[QuotaOutcome]:
    return converge(zfs, tenants, QuotaPolicy(**policy), check)


def wanted(name: str, number: int, limit: str) -> dict[str, Any]:
    return {"name": name, "id": number, "uid": 200000 + number, "gid": 200000 + number, "limit": limit}


def test_a_tenant_is_made_and_read_again(zfs: Zfs, shell: Any, text: str, owners: Any) -> None:
    created = f"tank/instances/new\tyes\t{zfs.root / 'new'}\t{GIB}\t98304\t9\n"

    def make(argv: list[str]) -> Completed:
        if argv[1] == "create":
            (zfs.root / "new").mkdir(mode=0o755)
            shell.answers[0] = (LIST, Completed(0, text + created))
        return shell(argv)

    zfs.run = make
    (outcome,) = run(zfs, wanted("new", 9, "1G"))
    assert (outcome.error, outcome.changes()) == ("", ["new, with a limit of 1G"])
    assert outcome.usage == Usage(98304)
    assert [argv[1] for argv in shell.ran] == ["list", "list", "create", "list"]
    assert not run(zfs, wanted("new", 9, "1G"))[0].changed


def test_what_zfs_refuses_is_shown_with_its_command(zfs: Zfs, shell: Any, owners: Any) -> None:
    sentence = "cannot set property for 'tank/instances/hans': size is less than current used or reserved space"
    shell.answers.append((["zfs", "set"], Completed(1, err=f"{sentence}\n")))
    assert "5.0G are in use" in run(zfs, wanted("hans", 1, "4G"))[0].error
    (outcome,) = run(zfs, wanted("hans", 1, "4G"), force=True)
    assert outcome.error == f"'zfs set refquota={4 * GIB} tank/instances/hans' failed (code 1): {sentence}"


def test_what_the_tenants_use_does_not_make_the_pool_smaller(zfs: Zfs, shell: Any, monkeypatch: Any) -> None:
    def statvfs(path: Path) -> Any:
        raise AssertionError(f"statvfs of {path} leaves out what lies in other datasets")

    monkeypatch.setattr(os, "statvfs", statvfs)
    # What is not mounted is promised, too: to hans, peter and vera 300 of the 2000.
    assert run(zfs, wanted("maria", 2, "1700G"), check=True)[0].error == ""
    assert "on a pool of 2.0T, of which 2.0T may" in run(zfs, wanted("maria", 2, "1900G"), check=True)[0].error


@pytest.mark.parametrize("output", ["", "1\n", "1\t2\t3\n", "-\t-\n", "1.5T\t2\n", "-1\t2\n"])
def test_a_size_of_the_pool_that_cannot_be_read_is_shown(zfs: Zfs, shell: Any, output: str) -> None:
    shell.answers = [(POOL, Completed(0, output))]
    with pytest.raises(CommandError, match=r"^'zfs list -Hp -d 0 .*' printed what cannot be read, .* \(code 0\): "):
        zfs.pool()


@pytest.mark.parametrize(
    "line",
    [
        "tank/hans",
        "tank/hans\tyes\t/hans\t0\t0",
        "tank/hans\tyes\t/hans\t0\t0\t-\t-",
        "tank/hans\tmaybe\t/hans\t0\t0\t-",
        "tank/hans\tyes\t/hans\t100G\t0\t-",
        "tank/hans\tyes\t/hans\t-1\t0\t-",
        "tank/hans\tyes\t/hans\t0\t1_0\t-",
        "tank/hans\tyes\t/hans\t0\t0\tone",
        "tank/hans\tyes\t/hans\t0\t0\t١",
        "NAME  MOUNTED  MOUNTPOINT",
    ],
)
def test_output_that_cannot_be_read_is_shown_with_its_command(zfs: Zfs, shell: Any, line: str) -> None:
    shell.answers = [(LIST, Completed(0, f"{line}\n"))]
    with pytest.raises(CommandError) as caught:
        zfs.read()
    assert str(caught.value).startswith("'zfs list -Hp -d 2 -t filesystem -o name,")
    assert "printed what cannot be read, " in str(caught.value)
    assert str(caught.value).endswith(f"(code 0): {line}")


def test_a_tool_that_fails_is_shown_with_its_command(zfs: Zfs, shell: Any) -> None:
    shell.answers = [(LIST, Completed(1, err="cannot open 'tank/instances': dataset does not exist\n"))]
    with pytest.raises(CommandError, match=r"failed \(code 1\): cannot open 'tank/instances': dataset does not exist"):
        zfs.read()


WHEN = "2026-11-23T16:57:05+00:00"
DELETED = {"name": "hans", "id": 1, "when": WHEN}
PLACE = ".trash/20261123T165705Z-hans-1"


class Pool:
    """Keeps datasets, with directories in place of mounts; answers as zfs-create, -rename and -destroy(8) say."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.datasets: dict[str, tuple[int, int, int | None]] = {"tank/instances": (0, 98304, None)}
        self.ran: list[str] = []

    def __call__(self, argv: Sequence[str]) -> Completed:
        answer = {"list": self._list, "create": self._create, "rename": self._rename, "destroy": self._destroy}
        if argv[1] != "list":
            self.ran.append(" ".join(argv))
        return answer[argv[1]](list(argv[2:]))

    def path(self, name: str) -> Path:
        return self.root / name.removeprefix("tank/instances").strip("/")

    def _list(self, argv: list[str]) -> Completed:
        if argv[:1] == ["-H"]:
            assert argv[1:6] == ["-r", "-t", "filesystem,volume", "-o", "name"]
            return Completed(0, "".join(f"{name}\n" for name in self.datasets if f"{name}/".startswith(f"{argv[6]}/")))
        if "used,available" in argv:
            return Completed(0, f"{600 * GIB}\t{1400 * GIB}\n")
        rows = [(name, *row) for name, row in self.datasets.items() if name.count("/") <= 3]
        text = [f"{n}\tyes\t{self.path(n)}\t{limit}\t{used}\t{number or '-'}\n" for n, limit, used, number in rows]
        return Completed(0, "".join(text))

    def _create(self, argv: list[str]) -> Completed:
        self.datasets[argv[-1]] = 0, 98304, None
        self.path(argv[-1]).mkdir()
        return Completed(0)

    def _rename(self, argv: list[str]) -> Completed:
        old, new = argv
        if new.rpartition("/")[0] not in self.datasets:
            return Completed(1, err=f"cannot create '{new}': parent does not exist\n")
        self.datasets[new] = self.datasets.pop(old)
        self.path(old).rename(self.path(new))
        return Completed(0)

    def _destroy(self, argv: list[str]) -> Completed:
        assert argv[0] == "-r"
        shutil.rmtree(self.path(argv[1]))
        del self.datasets[argv[1]]
        return Completed(0)


@pytest.fixture
def pool(tmp_path: Path) -> Pool:
    pool = Pool(tmp_path / "pool")
    pool.root.mkdir()
    for name, number in (("hans", 1), ("maria", 2)):
        (pool.root / name / "uploads").mkdir(parents=True)
        (pool.root / name / "uploads" / "photo").write_text(name, encoding="ascii")
        pool.datasets[f"tank/instances/{name}"] = 100 * GIB, 5 * GIB, number
    return pool


@pytest.fixture
def full(pool: Pool, owners: Any) -> Zfs:
    return Zfs(Mount(str(pool.root), "zfs", "tank/instances", "/", frozenset({"rw"})), pool)


def step(zfs: Zfs, state: str, *, check: bool = False, inside: str = "") -> Any:
    mounts = [
        Mount(str(zfs.root / place), "zfs", "tank", "/", frozenset()) for place in ("hans", PLACE, inside) if place
    ]
    (moved,) = trash(zfs, Order(state), [DELETED], mounts, check)
    return moved


def test_a_dataset_goes_to_the_trash_and_comes_back_by_its_name(full: Zfs, pool: Pool) -> None:
    gone = step(full, "trashed")
    assert (gone.error, gone.files, gone.bytes, gone.limit) == ("", 3, 5 * GIB, 100 * GIB)
    assert pool.ran == [
        "zfs create tank/instances/.trash",
        f"zfs rename tank/instances/hans tank/instances/{PLACE}",
    ]
    assert not step(full, "trashed").changed
    survey = full.read()
    assert survey.directories.keys() == {"maria"}
    assert survey.trash == {PLACE: State(1, 100 * GIB, Usage(5 * GIB))}
    assert survey.holders == {1: PLACE, 2: "maria"}
    assert "restore it first" in run(full, wanted("hans", 1, "100G"))[0].error
    assert step(full, "restored").changed
    assert pool.ran[2:] == [f"zfs rename tank/instances/{PLACE} tank/instances/hans"]
    assert (full.root / "hans" / "uploads" / "photo").read_text(encoding="ascii") == "hans"
    assert step(full, "trashed").changed
    assert pool.ran[3:] == [f"zfs rename tank/instances/hans tank/instances/{PLACE}"]


def test_a_dataset_is_destroyed_under_a_name_that_is_never_restored(full: Zfs, pool: Pool) -> None:
    step(full, "trashed")
    pool.ran.clear()
    assert step(full, "purged", check=True).changed
    assert pool.ran == []
    assert step(full, "purged").error == ""
    assert pool.ran == [
        f"zfs rename tank/instances/{PLACE} tank/instances/{PLACE}.purging",
        f"zfs destroy -r tank/instances/{PLACE}.purging",
    ]
    assert pool.datasets.keys() == {"tank/instances", "tank/instances/.trash", "tank/instances/maria"}
    assert not step(full, "purged").changed


def test_a_dataset_that_somebody_made_in_it_is_not_destroyed_with_it(full: Zfs, pool: Pool) -> None:
    inner = "tank/instances/hans/archive"
    pool.datasets[inner] = 0, 98304, None
    assert "archive is a mount of its own" in step(full, "trashed", inside="hans/archive").error
    assert full.read().directories.keys() == {"hans", "maria"}
    pool.datasets[f"tank/instances/{PLACE}.purging/archive"] = pool.datasets.pop(inner)
    step(full, "trashed")
    assert step(full, "purged").error == (
        f"tank/instances/{PLACE}.purging holds the dataset tank/instances/{PLACE}.purging/archive; "
        "destroy or move that first, and run this again"
    )
    assert (full.root / f"{PLACE}.purging" / "uploads" / "photo").exists()


def test_a_root_that_is_the_pool_itself_has_a_trash_too(tmp_path: Path, shell: Any) -> None:
    (tmp_path / "tank" / PLACE).mkdir(parents=True)
    root = tmp_path / "tank"
    rows = [("tank", root, "-"), ("tank/tank", root / "tank", "2"), ("tank/.trash", root / ".trash", "-")]
    rows += [(f"tank/{PLACE}", root / PLACE, "1"), ("tank/tank/inner", root / "tank/inner", "2")]
    shell.answers = [(LIST, Completed(0, "".join(f"{n}\tyes\t{p}\t0\t1\t{i}\n" for n, p, i in rows)))]
    survey = Zfs(Mount(str(root), "zfs", "tank", "/", frozenset({"rw"})), shell).read()
    assert survey.directories == {"tank": State(2, None, Usage(1))}
    assert survey.trash == {PLACE: State(1, None, Usage(1))}


FIELDS = st.sampled_from(["yes", "no", "-", "none", "0", "1", "tank/hans", "/instances"]) | st.text(max_size=8)
LINES = st.lists(FIELDS, min_size=4, max_size=7).map("\t".join)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=60) | st.lists(LINES, max_size=4).map("\n".join))
def test_any_output_is_read_or_shown(zfs: Zfs, shell: Any, output: str) -> None:
    shell.answers = [(LIST, Completed(0, output))]
    try:
        survey = zfs.read()
    except CommandError as error:
        assert str(error).startswith("'zfs list -Hp ")
        assert "printed what cannot be read" in str(error)
        assert "(code 0): " in str(error)
    else:
        assert {"hans", "maria", "plain"} <= survey.directories.keys()


SIZES = st.integers(1, 2**63)
PART = st.from_regex(r"[a-z0-9][a-z0-9_.:-]{0,20}", fullmatch=True)
DATASETS = st.builds(
    Dataset,
    name=st.lists(PART, min_size=1, max_size=4).map("/".join),
    mounted=st.booleans(),
    mountpoint=PART.map("/{}".format) | st.sampled_from(["legacy", "none", "-", "/with a blank"]),
    limit=st.none() | SIZES,
    used=SIZES,
    id=st.none() | st.integers(1, 2**32 - 2),
)


def printed(dataset: Dataset, unlimited: str) -> str:
    mounted = "yes" if dataset.mounted else "no"
    limit = unlimited if dataset.limit is None else str(dataset.limit)
    number = "-" if dataset.id is None else str(dataset.id)
    return "\t".join([dataset.name, mounted, dataset.mountpoint, limit, str(dataset.used), number])


@examples(40, 100)
@given(st.lists(DATASETS, max_size=10), st.sampled_from(["0", "-", "none"]))
def test_reads_what_zfs_prints_of_any_datasets(datasets: list[Dataset], unlimited: str) -> None:
    text = "".join(f"{printed(dataset, unlimited)}\n" for dataset in datasets)
    assert parse_datasets(text) == datasets
