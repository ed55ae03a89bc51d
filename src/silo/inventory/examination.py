"""What is wrong in an inventory's files as they are written, whoever wrote them; Ansible is not asked.

Ansible reads each file of a tenant's folder that ends as a file of variables does, one after the other, and takes the
last of two values without a word. So a copy or a second name of a file is refused, like what cannot be read at all.
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import os
import re
import sys
import typing as t
from collections.abc import Iterator, Mapping
from pathlib import Path

from silo import repository
from silo.inventory import document
from silo.inventory.errors import InventoryError, shown
from silo.inventory.transaction import Folder
from silo.tenant.model import copied_secrets
from silo.tenant.schema import PREFIX, options

HOST_VARS = "host_vars"
TENANT, OVERRIDES, VAULT = "tenant.yml", "overrides.yml", "vault.yml"
# What the settings of the platform begin with, how one stands in a file, and the one that is a list of its own.
PLATFORM, IMAGES = "silo_", "silo_images"
SETTING = re.compile(r"^(silo_\w+):", re.MULTILINE)
# A name that was a setting: its line with a text is left from then. A mapping or a template is the brand.
GONE = re.compile(r"^[ \t]*billing_checkout_brand:[ \t]+(?!\{|[\"']?\{\{|[#&*!])\S", re.MULTILINE)
# A line that can only be read in one way: no date, which there may not be, no number of a kind of its own, and no key
# such as `no`, which is none.
SIMPLE = re.compile(
    r"(?:#[^\r\t]*|(?P<key>[a-z]+_\w{1,99}): +(?![0-9]+-|0[bx_])[A-Za-z0-9][A-Za-z0-9_./@+-]{0,99})?", re.ASCII
)
# As Ansible's own reading of variables chooses files.
READ = frozenset(("", ".yml", ".yaml", ".json"))
# The files from which Ansible shall know the machines and the tenants. It reads every other file of an inventory as a
# list of machines as well, but for those of these endings and names, and hidden ones (ansible.cfg).
SOURCES = frozenset(("hosts.yml", "tenants.yml", "maintenance.yml"))
NO_SOURCE = (".pyc", ".pyo", ".swp", ".bak", "~", ".rpm", ".md", ".txt", ".rst", ".orig", ".cfg", ".retry")
NO_SOURCES = frozenset(("host_vars", "group_vars", "vars_plugins", "retired", "files"))
# How many machines of a file a sentence names.
MOST_NAMED = 5
# What an editor or a merge leaves beside a file; Ansible reads none of these.
LEFT = re.compile(r"(?:.*~|#.*#|.*\.(?:bak|orig|rej|swp|swo|tmp|save|old|BACKUP|LOCAL|REMOTE|BASE)(?:\..*)?)")
# A copy of one of the three files, such as tenant_old.yml or 'overrides (copy).yml'.
COPY = re.compile(r"(tenant|overrides|vault)(?:[^A-Za-z0-9].*|[0-9]*)?")


@dataclasses.dataclass(frozen=True)
class Examination:
    """What was found, as sentences that name the file. `problems` has, by tenant, why it is left alone.

    `unreadable` are files of the platform and its machines without which Ansible can tell nothing; `mistakes` are
    settings there that do not mean what they seem to, so that nobody may change anything by them. `leftovers` are files
    that count nowhere, or add machines that nobody may have meant.
    """

    problems: Mapping[str, tuple[str, ...]]
    unreadable: tuple[str, ...]
    mistakes: tuple[str, ...]
    leftovers: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Followed(Folder):
    """An inventory's folder, read as Ansible reads it: through links. Nothing is ever written through one."""

    def path(self, relative: str) -> Path:
        """Return the path to which the links of a path lead."""
        return (self.root / relative).resolve()


def examine(root: Path, *, follow: bool = False) -> Examination:
    """Examine all files of the inventory at `root`.

    Raises InventoryError at a link on the way to a tenant's file, which no edit follows; with `follow` it is read.
    """
    folder = Followed(root) if follow else Folder(root)
    names = _names(folder)
    found = {name: of_tenant(folder, name) for name in names}
    for name, text in _copies(folder, names):
        found[name] = (*found[name], text)
    found |= {name: (text,) for name, text in _renamed(folder, names)}
    unread, mistakes, gone = _platform(Followed(root), names)
    strangers, none = _other_sources(Followed(root))
    return Examination(
        {name: problems for name, problems in found.items() if problems},
        (*unread, *none),
        tuple(mistakes),
        (*(text for name in names for text in _leftovers(folder, name)), *gone, *strangers),
    )


def of_tenant(folder: Folder, name: str) -> tuple[str, ...]:
    """Return what is wrong in the files of one tenant, as sentences."""
    where = f"{HOST_VARS}/{name}"
    found = []
    for file in _read_by_ansible(folder, where):
        path = f"{where}/{file}"
        if (
            file not in (TENANT, OVERRIDES, VAULT)
            and (problem := _stray(path, file))
            or (problem := unreadable(folder, path))
        ):
            found.append(problem)
        else:
            found += [text for key in _keys(folder, path) if (text := _unknown(path, key, (PLATFORM,)))]
    found += [
        f"{one}: beside the folder {where} it counts nowhere; move its lines into {where}/{OVERRIDES}"
        for suffix in (".yml", ".yaml", ".json")
        if folder.path(one := f"{where}{suffix}").is_file()
    ]
    return tuple(found)


def unreadable(folder: Folder, path: str) -> str:
    """Return why a file of settings cannot be read, with its line; empty if it can, or is encrypted."""
    try:
        text = folder.read(path)
        if text is None or _simple(text) is not None:
            return ""
        # What stands in tenant.yml has to be known before a password is.
        if Path(path).name == TENANT or not text.startswith(document.VAULT):
            document.read(path, text)
    except InventoryError as error:
        return str(error)
    return ""


def _names(folder: Folder) -> list[str]:
    return [name for name in folder.names(HOST_VARS) if (folder.root / HOST_VARS / name / TENANT).exists()]


def _read_by_ansible(folder: Folder, where: str) -> list[str]:
    """Return the files of a folder that Ansible reads; folders in it are nobody's way."""
    return [
        name
        for name in folder.names(where)
        if not name.startswith(".")
        and not name.endswith("~")
        and Path(name).suffix in READ
        and (folder.root / where / name).is_file()
    ]


def _stray(path: str, file: str) -> str:
    stem, suffix = Path(file).stem, Path(file).suffix
    own = COPY.fullmatch(stem)
    if own and f"{own[1]}.yml" != file:
        return f"{path}: Ansible reads it besides {own[1]}.yml, and one hides the other; keep one of them, {own[1]}.yml"
    if suffix != ".yml":
        return f"{path}: Ansible reads it as settings; move its lines into {OVERRIDES}, and remove it"
    return ""


def _renamed(folder: Folder, names: list[str]) -> Iterator[tuple[str, str]]:
    """Yield folders whose file is not called tenant.yml, so that there would be no tenant, and no word of it."""
    for name in folder.names(HOST_VARS):
        where = f"{HOST_VARS}/{name}"
        if name in names or not (folder.root / where).is_dir():
            continue
        for file in folder.names(where):
            if Path(file).stem == "tenant" and Path(file).suffix in READ:
                yield name, f"{where}/{file}: a tenant's file is called {TENANT}; rename it"


def _leftovers(folder: Folder, name: str) -> Iterator[str]:
    for file in folder.names(f"{HOST_VARS}/{name}"):
        # A hidden one belongs to an editor that is still open.
        if not file.startswith(".") and LEFT.fullmatch(file):
            yield f"{HOST_VARS}/{name}/{file}: an editor has left it, and it counts nowhere; remove it"


def _copies(folder: Folder, names: list[str]) -> Iterator[tuple[str, str]]:
    """Yield whose vault.yml is byte by byte another's, which is how a folder is copied; the first by index owns it."""
    same: dict[bytes, list[str]] = {}
    for name in names:
        path = folder.root / HOST_VARS / name / VAULT
        if path.is_file() and not path.is_symlink():
            same.setdefault(path.read_bytes(), []).append(name)
    for sharing in (found for found in same.values() if len(found) > 1):
        owner, *copies = sorted(sharing, key=lambda name: (_index(folder, name), name))
        yield from ((name, copied_secrets(name, owner)) for name in copies)


def _index(folder: Folder, name: str) -> int:
    try:
        path = f"{HOST_VARS}/{name}/{TENANT}"
        found = document.read(path, folder.read(path) or "").settings.get("tenant_index")
    except InventoryError:
        found = None
    return found if isinstance(found, int) else sys.maxsize


def _platform(folder: Folder, names: list[str]) -> tuple[list[str], list[str], list[str]]:
    """Return what cannot be read, what is mistaken, and what is left of former settings.

    It looks at the files that all tenants share, and those of machines.
    """
    # Ansible reads each file beside them as another source of machines.
    paths = [path for path in _sources(folder) if Path(path).suffix in READ - {""}]
    paths += list(_below(folder, "group_vars"))
    paths += [path for path in _below(folder, HOST_VARS) if Path(path).parts[1] not in names]
    unread: list[str] = []
    mistakes: list[str] = []
    gone: list[str] = []
    for path in paths:
        if problem := unreadable(folder, path):
            unread.append(problem)
            continue
        mistakes += [text for key in _keys(folder, path) if (text := _unknown(path, key, (PLATFORM, PREFIX)))]
        gone += _gone(path, folder.read(path) or "")
        if _simple(folder.read(path) or "") is None:
            mistakes += _images(path, _settings(folder, path).get(IMAGES))
    return unread, mistakes, gone


def _gone(path: str, text: str) -> Iterator[str]:
    """Yield a sentence for each line of a name that was a setting."""
    for found in GONE.finditer(text):
        line = text.count("\n", 0, found.start()) + 1
        yield (
            f"{path}: line {line}: billing_checkout_brand is no setting any more, and the checkout shows nothing "
            "because of it; remove the line, and set silo_brand_name"
        )


def _sources(folder: Folder, where: str = "") -> Iterator[str]:
    """Yield the files that Ansible reads as lists of machines, also those in other folders."""
    for name in folder.names(where):
        path = f"{where}/{name}" if where else name
        if name.startswith(".") or name in NO_SOURCES or name.endswith(NO_SOURCE):
            continue
        if (folder.root / path).is_dir():
            yield from _sources(folder, path)
        elif (folder.root / path).is_file():
            yield path


def _other_sources(folder: Folder) -> tuple[list[str], list[str]]:
    """Return sentences on files that name machines besides hosts.yml, and on those by which Ansible reads nothing."""
    strangers, none = [], []
    for path in _sources(folder):
        if path in SOURCES or _is_program(folder.root / path):
            continue
        try:
            machines = _machines(folder, path)
        except InventoryError as error:
            none.append(str(error))
            continue
        if machines:
            named = [*map(shown, machines[:MOST_NAMED]), *(["others"] if machines[MOST_NAMED:] else [])]
            right = "move them into hosts.yml, or the file out of the inventory"
            text = f"{path}: Ansible reads it besides hosts.yml, with the machines {', '.join(named)}; {right}"
            strangers.append(text)
    return strangers, none


def _is_program(path: Path) -> bool:
    """Return whether Ansible runs a file, which then prints machines."""
    try:
        with path.open("rb") as file:
            return os.access(path, os.X_OK) and file.read(2) == b"#!"
    except OSError:
        return False


def _machines(folder: Folder, path: str) -> list[str]:
    """Return the machines that a file names; raises InventoryError where it stops Ansible."""
    if Path(path).suffix in READ and not unreadable(folder, path):
        found = _settings(folder, path)
        return [] if "plugin" in found else sorted(_hosts(found))
    if Path(path).suffix in READ - {""}:
        return []  # of which it is told already that nobody can read it
    # All else Ansible takes for its old form of lists. Here, as hardly an inventory has such a file.
    from ansible.errors import AnsibleError
    from ansible.inventory.data import InventoryData
    from ansible.parsing.dataloader import DataLoader
    from ansible.plugins.inventory.ini import InventoryModule

    known = InventoryData()
    try:
        folder.read(path)
        InventoryModule().parse(known, DataLoader(), str(folder.root / path))
    except (AnsibleError, InventoryError) as error:
        raise InventoryError(
            f"{path}: Ansible reads each file beside hosts.yml as a list of machines, and this is none; move it into "
            "the folder files, or out of the inventory"
        ) from error
    return sorted(known.hosts)


def _hosts(groups: Mapping[str, t.Any]) -> set[str]:
    """Return the machines in groups as YAML has them, and in the groups in these."""
    found: set[str] = set()
    waiting = [groups]
    while waiting:
        for group in waiting.pop().values():
            if isinstance(group, Mapping):
                hosts, children = group.get("hosts"), group.get("children")
                found |= set(map(str, hosts)) if isinstance(hosts, Mapping) else set()
                waiting += [children] if isinstance(children, Mapping) else []
    return found


def _simple(text: str) -> list[str] | None:
    """Return the keys of a text in which each line is a comment or one plain setting; None for all others.

    Nearly all files of tenants are so, and to parse one takes two milliseconds, which a hundred tenants would feel.
    """
    found = [SIMPLE.fullmatch(line) for line in text.removeprefix("---\n").split("\n")]
    keys = [match["key"] for match in found if match and match["key"]]
    return keys if keys and all(found) and len(set(keys)) == len(keys) else None


def _settings(folder: Folder, path: str) -> Mapping[str, t.Any]:
    """Return the settings of a file that can be read; none of one that is encrypted."""
    text = folder.read(path) or ""
    return {} if text.startswith(document.VAULT) else document.read(path, text).settings


def _keys(folder: Folder, path: str) -> Iterator[str]:
    """Yield the names of all variables in a file; in hosts.yml they stand below groups and hosts."""
    if (simple := _simple(folder.read(path) or "")) is not None:
        yield from simple
        return
    waiting: list[t.Any] = [_settings(folder, path)]
    while waiting:
        found = waiting.pop()
        if isinstance(found, Mapping):
            yield from (key for key in found if isinstance(key, str))
            waiting += list(found.values()) if path == "hosts.yml" else []


@functools.cache
def _known() -> frozenset[str]:
    """Return the settings of the platform and of tenants."""
    folder = repository.policy() / "all"
    texts = (file.read_text(encoding="utf-8") for file in sorted(folder.glob("*.yml")))
    return frozenset({*options(), *(key for text in texts for key in SETTING.findall(text))})


def _unknown(path: str, key: str, prefixes: tuple[str, ...]) -> str:
    """Return the sentence on a setting that there is not, with the one that may be meant; empty for others."""
    if not key.startswith(prefixes) or key in _known():
        return ""
    near = difflib.get_close_matches(key, sorted(_known()), n=1)
    hint = f"Did you mean {near[0]!r}?" if near else "docs/reference/settings.md lists those that there are"
    return f"{path}: unknown setting {shown(key)}. {hint}"


def _images(path: str, images: t.Any) -> list[str]:
    """Return what is wrong with a list of images: it replaces the whole, so none of them may be missing."""
    if not isinstance(images, Mapping):
        return []
    file = repository.policy() / "all" / "images.yml"
    known = document.read(file.name, file.read_text(encoding="utf-8")).settings[IMAGES]
    lacks, more = sorted(set(known) - set(images)), sorted(set(map(str, images)) - set(known))
    wrong = [f"lacks {', '.join(lacks)}"] if lacks else []
    wrong += [f"has {', '.join(map(shown, more))}, which nothing uses"] if more else []
    right = f"it replaces the whole list, so it must have {', '.join(known)}"
    return [f"{path}: {IMAGES} {' and '.join(wrong)}; {right}"] if wrong else []


def _below(folder: Folder, where: str) -> Iterator[str]:
    """Yield the files of variables in a folder, and in the folders in it."""
    for name in folder.names(where):
        path = f"{where}/{name}"
        if name.startswith(".") or name.endswith("~"):
            continue
        if (folder.root / path).is_dir():
            yield from _below(folder, path)
        elif Path(name).suffix in READ:
            yield path
