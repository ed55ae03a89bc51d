"""Datasets of ZFS with C(refquota), which counts the tenant's current files, but not snapshots of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from ansible_collections.swissphoto.silo.plugins.module_utils.command import CommandError, Completed, run
from ansible_collections.swissphoto.silo.plugins.module_utils.quota.base import (
    TRASH,
    Backend,
    QuotaError,
    QuotaTenant,
    State,
    Survey,
    Usage,
)

ID = "swissphoto:id"
COLUMNS = ("name", "mounted", "mountpoint", "refquota", "referenced", ID)


@dataclass(frozen=True)
class Dataset:
    """One file system of the pool. Sizes are in bytes."""

    name: str
    mounted: bool
    mountpoint: str
    limit: int | None
    used: int
    id: int | None


def parse_datasets(text: str) -> list[Dataset]:
    """Return the lines of C(zfs list -Hp -o ...) with the columns above; raises ValueError for a line of another shape.

    C(-) means that a property is not set; a refquota of 0 means no limit.
    """
    datasets = []
    for line in text.splitlines():
        name, mounted, mountpoint, limit, used, number = line.split("\t")
        if mounted not in ("yes", "no"):
            raise ValueError(f"'{mounted}' is neither yes nor no")
        datasets.append(
            Dataset(
                name,
                mounted == "yes",
                mountpoint,
                None if limit in ("-", "none") else _number(limit) or None,
                _number(used),
                None if number == "-" else _number(number),
            )
        )
    return datasets


def _number(text: str) -> int:
    # int() alone also accepts signs, blanks, underscores and the digits of other scripts.
    if not (text.isascii() and text.isdigit()):
        raise ValueError(f"'{text}' is not a number")
    return int(text)


def state_of(path: Path, dataset: Dataset | None) -> State:
    """Return the state of the directory at C(path), from its dataset."""
    if dataset is None:
        return State(problem="is a plain directory and not a dataset, so ZFS does not count the files in it")
    problem = ""
    if not dataset.mounted or dataset.mountpoint != str(path):
        problem = f"its dataset {dataset.name} is not mounted at {path}; 'zfs mount {dataset.name}' does it"
    return State(dataset.id, dataset.limit, Usage(dataset.used), problem=problem)


class Zfs(Backend):
    """Datasets as directories. A tenant cannot create a dataset, so its files cannot escape the limit."""

    name = "zfs"
    is_mount: ClassVar[bool] = True

    def check(self) -> None:
        """Raise QuotaError if the root is not the mount point of a dataset."""
        if self.mount.root != "/" or self.mount.source.startswith("/"):
            raise QuotaError(f"{self.root} is not the mount point of a ZFS dataset of its own")

    def pool(self) -> int | None:
        """Return the usage of the root and its datasets plus the free space; statvfs does not include the datasets."""
        argv = ["zfs", "list", "-Hp", "-d", "0", "-o", "used,available", self.mount.source]
        text = run(self.run, argv)
        try:
            used, available = text.split()
            return _number(used) + _number(available)
        except ValueError as error:
            raise CommandError(argv, Completed(0, text), f"printed what cannot be read, {error}") from error

    def read(self) -> Survey:
        """Return all directories and datasets, with one process."""
        below = f"{self.mount.source}/"
        found = {d.name.removeprefix(below): d for d in self._datasets() if d.name.startswith(below)}
        datasets = {name: dataset for name, dataset in found.items() if is_place(name)}
        names = sorted({*self.names(), *datasets})
        states = {name: state_of(self.root / name, datasets.get(name)) for name in names}
        return self.survey(states, {dataset.id: name for name, dataset in sorted(datasets.items()) if dataset.id})

    def apply(self, tenant: QuotaTenant, survey: Survey) -> None:
        """Run the result of C(commands); a new dataset has its limit from the start."""
        for argv in commands(self.mount.source, tenant, survey.directories):
            run(self.run, argv)

    def make_trash(self) -> None:
        """Create it as a dataset, because a dataset can only be renamed into another dataset."""
        if not (self.root / TRASH).is_dir():
            run(self.run, ["zfs", "create", f"{self.mount.source}/{TRASH}"])

    def move(self, source: str, target: str) -> None:
        """Rename the dataset; ZFS then mounts it at its new path."""
        run(self.run, ["zfs", "rename", f"{self.mount.source}/{source}", f"{self.mount.source}/{target}"])

    def remove(self, place: str, number: int) -> None:
        """Destroy the dataset with its snapshots; raises QuotaError if it contains other datasets."""
        name = f"{self.mount.source}/{place}"
        names = run(self.run, ["zfs", "list", "-H", "-r", "-t", "filesystem,volume", "-o", "name", name]).splitlines()
        if strangers := sorted(set(names) - {name}):
            raise QuotaError(f"{name} holds the dataset {strangers[0]}; destroy or move that first, and run this again")
        run(self.run, ["zfs", "destroy", "-r", name])

    def _datasets(self) -> list[Dataset]:
        argv = ["zfs", "list", "-Hp", "-d", "2", "-t", "filesystem", "-o", ",".join(COLUMNS), self.mount.source]
        text = run(self.run, argv)
        try:
            return parse_datasets(text)
        except ValueError as error:
            raise CommandError(argv, Completed(0, text), f"printed what cannot be read, {error}") from error


def is_place(name: str) -> bool:
    """Return whether a dataset below the root's is a tenant's or in the trash, and not inside a tenant's."""
    parent, _slash, last = name.rpartition("/")
    return parent in ("", TRASH) and last != TRASH


def commands(parent: str, tenant: QuotaTenant, directories: Mapping[str, State]) -> Iterable[list[str]]:
    """Yield the commands that create and limit the tenant's dataset; runs none of them."""
    name = f"{parent}/{tenant.name}"
    state = directories.get(tenant.name)
    wanted = {"refquota": tenant.limit, ID: tenant.id}
    if state is None:
        yield ["zfs", "create", *(part for key, value in wanted.items() for part in ("-o", f"{key}={value}")), name]
        return
    # ZFS refuses a limit below the usage, even if it is the current limit.
    found = {"refquota": state.limit, ID: state.id}
    if differing := [f"{key}={value}" for key, value in wanted.items() if found[key] != value]:
        yield ["zfs", "set", *differing, name]
