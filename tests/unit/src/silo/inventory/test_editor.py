"""An inventory is edited whole, or not at all: what Ansible makes of it is asked before a byte is written."""

import hashlib
import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import time
import traceback
from pathlib import Path

import pytest
from ansible.parsing.vault import VaultLib, VaultSecret
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from silo.admission import AdmissionError
from silo.capacity import GIB
from silo.inventory import (
    NOT_READ,
    HostAwayError,
    InventoryEditor,
    InventoryError,
    Sizes,
    document,
    examination,
    reader,
    validation,
)
from silo.inventory.reader import Reader
from silo.inventory.session import EditSession
from silo.inventory.transaction import DESK
from tests.unit.patience import PATIENCE

ROOT = Path(__file__).parents[5]
MAIL = "hans@example.ch"
LONG = st.text(min_size=1, max_size=4).map(lambda text: text * (10_000 // len(text)))
BOUNDED = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def path(tmp_path):
    """One server that is its own NAS, and anna with index 1."""
    shutil.copytree(ROOT / "tests" / "inventory", tmp_path / "inv")
    return tmp_path / "inv"


class Editor:
    """An inventory of which each edit is one session, as the tenant service makes it; all else is the inventory's."""

    def __init__(self, path, **options):
        self.inventory = InventoryEditor.open(path, **options)

    def __getattr__(self, name):
        if hasattr(self.inventory, name):
            return getattr(self.inventory, name)
        if hasattr(self.inventory.files, name):
            return getattr(self.inventory.files, name)

        def edit(*arguments, dry_run=False, **options):
            with self.inventory.session(dry_run) as session:
                return session.make(getattr(session, name)(*arguments, **options))

        return edit

    def create(self, name, *, dry_run=False, sizes=NOT_READ, **settings):
        with self.inventory.session(dry_run) as session:
            return session.make(session.create(name, settings, sizes))

    def change(self, name, *, sizes=NOT_READ, **settings):
        with self.inventory.session() as session:
            return session.make(session.change(name, settings, sizes))

    def tenants(self):
        return self.inventory.files.all()

    def set_state(self, name, state):
        return self.change(name, state=state)


@pytest.fixture
def inventory(path):
    return Editor(path)


@pytest.fixture
def write(path):
    def one(file, text):
        (path / file).parent.mkdir(parents=True, exist_ok=True)
        (path / file).write_text(text)

    return one


@pytest.fixture
def git(path, monkeypatch):
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", "/dev/null")

    def run(*arguments):
        return subprocess.run(["git", *arguments], cwd=path, capture_output=True, text=True, check=True).stdout

    run("init", "-q")
    run("config", "user.name", "Ops")
    run("config", "user.email", "ops@example.ch")
    run("add", "-A")
    run("commit", "-q", "-m", "first")
    return run


@pytest.fixture
def unmerged(monkeypatch):
    """Bounds what a refused value may cost: Ansible is not to be asked at all."""

    def refuse(*arguments):
        raise AssertionError("Ansible was asked")

    monkeypatch.setattr(Reader, "merge", refuse)


def checksum(root):
    """Over the whole tree: names, kinds, modes, contents, and where links lead."""
    digest = hashlib.sha256()
    for entry in sorted(root.rglob("*")):
        found = entry.lstat()
        digest.update(f"{entry.relative_to(root)} {found.st_mode} {found.st_mtime_ns}\n".encode())
        if entry.is_symlink():
            digest.update(os.fsencode(entry.readlink()))
        elif entry.is_file():
            digest.update(entry.read_bytes())
    return digest.hexdigest()


def refused(inventory, work):
    """Return the sentences of a refusal; each is one line that people can read, and nothing is changed."""
    root = inventory.folder.root
    before = checksum(root)
    with pytest.raises(InventoryError) as error:
        work()
    assert checksum(root) == before
    for problem in error.value.problems:
        assert problem.isprintable()
        assert 10 < len(problem) < 600
    return str(error.value)


@pytest.fixture
def read_by_ansible(ansible, path):
    def read():
        result = ansible.run(["ansible-inventory", "-i", str(path), "--graph", "tenants"])
        result.check_returncode()
        return result.stdout

    return read


def start(work):
    """Do it in a process of its own, which says what went wrong; return its number."""
    child = os.fork()
    if child:
        return child
    try:
        work()
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


@pytest.fixture
def start_cut_off(path, monkeypatch):
    """Start an edit that is killed when all is written and nothing committed."""

    def start_one(author=None):
        def edit():
            monkeypatch.setattr(EditSession, "_commit", lambda *_arguments: os.kill(os.getpid(), signal.SIGKILL))
            Editor(path, author=author).set_state("anna", "stopped")

        return start(edit)

    return start_one


# What an edit does


def test_a_new_tenant_is_a_file_with_the_next_index(path, inventory, read_by_ansible, unforked):
    change = inventory.create("hans", email=MAIL, quota="100G", plan=None, language="fr")
    written = (path / "host_vars" / "hans" / "tenant.yml").read_text()
    assert written == (
        "---\n# Written by silo. What is this tenant's alone stands in overrides.yml beside it.\n"
        "tenant_email: hans@example.ch\ntenant_quota: 100G\ntenant_language: fr\n"
        "tenant_server: silo1\ntenant_nas: silo1\ntenant_index: 2\n"
    )
    assert change.before is None
    assert change.after == inventory.tenants()["hans"].settings
    assert change.diff_text.startswith("--- /dev/null\n+++ b/host_vars/hans/tenant.yml\n@@")
    assert change.commit is None
    assert "|--hans" in read_by_ansible()
    fleet = inventory.fleet()
    assert fleet.problems == ()
    assert fleet.tenants["hans"].quota == 100 * GIB
    assert fleet.budgets["silo1"].tenants == (3.5 * GIB, 2.5 * GIB)
    assert fleet.promised == {"silo1": {"anna": 100 * GIB, "hans": 100 * GIB}}


def test_a_dry_run_says_the_same_and_writes_nothing(path, inventory):
    before = checksum(path)
    planned = inventory.create("hans", email=MAIL, plan="small", dry_run=True)
    assert checksum(path) == before
    assert planned == inventory.create("hans", email=MAIL, plan="small")


def test_the_first_tenant_of_all_needs_no_folder_of_host_vars(path, inventory):
    shutil.rmtree(path / "host_vars")
    assert inventory.create("hans", email=MAIL, plan="small").after["tenant_index"] == 1


def test_states_and_settings_change_and_every_other_line_stays(path, inventory):
    file = path / "host_vars" / "anna" / "tenant.yml"
    before = file.read_text()
    inventory.set_state("anna", "suspended")
    assert file.read_text() == before + "tenant_state: suspended\n"
    change = inventory.change("anna", plan="large", email="anna@example.org")
    assert (change.before["tenant_plan"], change.after["tenant_plan"]) == ("small", "large")
    changed = before.replace("small", "large").replace("anna@example.ch", "anna@example.org")
    assert file.read_text() == changed + "tenant_state: suspended\n"
    assert inventory.fleet().tenants["anna"].quota == 1024 * GIB


def test_a_plan_of_the_inventory_counts_as_one_of_the_policy(inventory, write):
    write("group_vars/plan_tiny.yml", "tenant_quota: 5G\ntenant_database_memory: 512M\n")
    write("group_vars/plan_small.yml", "tenant_quota: 50G\n")
    inventory.create("hans", email=MAIL, plan="tiny")
    fleet = inventory.fleet()
    assert (fleet.tenants["hans"].quota, fleet.tenants["anna"].quota) == (5 * GIB, 50 * GIB)
    assert fleet.budgets["silo1"].tenants == (3.5 * GIB, 2 * GIB)


def test_a_burst_is_counted_beside_the_limits_and_is_no_part_of_them(inventory):
    inventory.create("hans", email=MAIL, plan="small")
    inventory.change("hans", server_burst="1G")
    budget = inventory.fleet().budgets["silo1"]
    assert (budget.tenants, budget.bursts) == ((3.5 * GIB, 2.5 * GIB), (GIB // 2, GIB))
    left = inventory.fleet().without("hans").budgets["silo1"]
    assert (left.tenants, left.bursts) == ((3.5 * GIB,), (GIB // 2,))
    inventory.set_state("hans", "stopped")
    assert inventory.fleet().budgets["silo1"].bursts == (GIB // 2,)
    inventory.change("hans", server_burst="0")
    with pytest.raises(InventoryError, match="tenant_server_burst is '2T'; it must be 0, or a size of up to 1T"):
        inventory.change("hans", server_burst="2T")


def test_the_demo_is_edited_where_its_lab_is_there(tmp_path, monkeypatch):
    path = tmp_path / "demo"
    shutil.copytree(ROOT / "inventory" / "demo", path, ignore=shutil.ignore_patterns("vault.yml"))
    for file in path.glob("host_vars/*/tenant.yml"):
        file.with_name("vault.yml").write_text("$ANSIBLE_VAULT;1.1;AES256\nnobody has to open this\n")
    inventory = Editor(path)
    monkeypatch.setenv("SILO_LAB_FILE", str(tmp_path / "lab.json"))
    message = refused(inventory, lambda: inventory.set_state("hans", "stopped"))
    assert "hans: tenant_domain cannot be worked out: " in message
    names = ("immich_server", "immich_machine_learning", "postgres", "valkey", "traefik", "pages")
    lab = {"domain": "swissphoto.test", "images": dict.fromkeys(names, "image:1")}
    (tmp_path / "lab.json").write_text(json.dumps(lab))
    inventory.set_state("hans", "stopped")
    assert inventory.fleet().tenants["hans"].host_name == "hans.swissphoto.test"


def test_what_is_said_already_changes_nothing(path, inventory):
    before = checksum(path)
    for change in (inventory.set_state("anna", "running"), inventory.change("anna", plan="small", quota=None)):
        assert change.before == change.after
        assert change.diff_text == ""
    assert checksum(path) == before


def test_a_deleted_tenant_leaves_its_index_to_nobody(path, inventory, write, read_by_ansible):
    write("host_vars/anna/vault.yml", "$ANSIBLE_VAULT;1.1;AES256\n3333\n")
    files = {file.name: file.read_bytes() for file in (path / "host_vars" / "anna").iterdir()}
    change = Editor(path, author="Maria <maria@example.ch>", commit=False).remove("anna")
    assert change.after is None
    assert inventory.tenants() == {}
    (deletion,) = inventory.deletion_records()
    assert (deletion.index, deletion.name, deletion.by, deletion.nas, deletion.quota) == (
        1,
        "anna",
        "Maria",
        "silo1",
        100 * GIB,
    )
    assert "anna" not in read_by_ansible()
    assert "a deleted tenant had this name" in refused(
        inventory, lambda: inventory.create("anna", email=MAIL, plan="small")
    )
    inventory.free("anna")
    (deletion,) = inventory.deletion_records()
    assert inventory.create("anna", email=MAIL, plan="small").after["tenant_index"] == 2
    kept = path / "retired" / "1-anna"
    assert {file.name: file.read_bytes() for file in kept.iterdir()} == files
    assert inventory.fleet().promised["silo1"] == {"anna": 100 * GIB, "1-anna": 100 * GIB}
    inventory.purge(deletion)
    assert not kept.exists()
    assert inventory.deletion_records()[0].purged
    assert inventory.fleet().promised["silo1"] == {"anna": 100 * GIB}
    assert inventory.create("hans", email=MAIL, plan="small").after["tenant_index"] == 3


def test_a_deleted_tenant_comes_back_with_all_its_files(path, inventory):
    files = {file.name: file.read_bytes() for file in (path / "host_vars" / "anna").iterdir()}
    inventory.remove("anna")
    change = inventory.restore("anna")
    assert change.after["tenant_index"] == 1
    assert {file.name: file.read_bytes() for file in (path / "host_vars" / "anna").iterdir()} == files
    assert inventory.deletion_records() == ()
    assert inventory.fleet().budgets["silo1"].tenants == (3.5 * GIB,)


def test_the_lowest_index_that_is_free_and_whose_network_is_free_is_given(inventory, write):
    write("host_vars/rosa/tenant.yml", f"tenant_email: {MAIL}\ntenant_plan: small\ntenant_index: 3\n")
    write("host_vars/rosa/overrides.yml", "tenant_subnet: 10.83.0.32/28\n")
    write("host_vars/beat/tenant.yml", f"tenant_email: {MAIL}\ntenant_plan: small\n")
    write("host_vars/beat/overrides.yml", "tenant_index: 4\n")
    write("retired/5-emil.yml", "index: 5\nname: emil\n")
    assert inventory.create("hans", email=MAIL, plan="small").after["tenant_index"] == 6
    assert set(inventory.reserved(10)) == {"emil"}, "a record without a time reserves its name without end"


def test_two_at_the_same_moment_get_different_indexes(path, git):
    names = [f"kunde{number}" for number in range(6)]

    def create(name):
        inventory = Editor(path, wait_seconds=120)
        ready.wait(PATIENCE)
        inventory.create(name, email=MAIL, plan="small")

    ready = multiprocessing.get_context("fork").Barrier(len(names))
    runs = [start(lambda name=name: create(name)) for name in names]
    assert [os.waitstatus_to_exitcode(os.waitpid(run, 0)[1]) for run in runs] == [0] * len(names)
    indexes = [tenant.settings["tenant_index"] for tenant in Editor(path).tenants().values()]
    assert sorted(indexes) == [1, 2, 3, 4, 5, 6, 7]
    assert git("status", "--porcelain") == ""
    assert sorted(git("log", "--format=%s").split("\n")[:-2]) == [
        f"Create tenant {name} (100G, small)" for name in names
    ]


# Git


def test_each_change_is_one_commit_with_a_clear_message(path, git):
    inventory = Editor(path, author="Maria Muster <maria@example.ch>")
    changes = [
        inventory.create("hans", email=MAIL, quota="100G", plan="small"),
        inventory.change("hans", email="h@example.ch", quota="200G", language="it"),
        inventory.change("hans", quota=None),
        inventory.set_state("hans", "stopped"),
        inventory.set_state("hans", "stopped"),
        inventory.remove("hans"),
        inventory.restore("hans"),
    ]
    log = git("log", "--format=%H %an %s").split("\n")[:-2]
    assert [line.split(" ", 1)[1] for line in reversed(log)] == [
        "Maria Muster Create tenant hans (100G, small)",
        "Maria Muster Change tenant hans (email, quota 200G, language it)",
        "Maria Muster Change tenant hans (quota 200G taken away)",
        "Maria Muster Stop tenant hans",
        "Maria Muster Delete tenant hans (index 2)",
        "Maria Muster Restore tenant hans (index 2)",
    ]
    assert [line.split()[0] for line in reversed(log)] == [change.commit for change in changes if change.commit]
    assert changes[4].commit is None
    assert "example.ch" not in git("log", "--format=%B")
    assert git("status", "--porcelain") == ""
    assert inventory.deletion_records() == ()


def test_a_git_that_refuses_leaves_the_edit_undone(path, git):
    hook = path / ".git" / "hooks" / "pre-commit"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho no >&2\nexit 1\n")
    hook.chmod(0o755)
    inventory = Editor(path)
    for work in (
        lambda: inventory.create("hans", email=MAIL, plan="small"),
        lambda: inventory.set_state("anna", "stopped"),
        lambda: inventory.remove("anna"),
    ):
        with pytest.raises(InventoryError, match="git refused, so nothing is changed: no$"):
            work()
        assert git("status", "--porcelain") == ""
        assert list(inventory.tenants()) == ["anna"]
    assert Editor(path, commit=False).set_state("anna", "stopped").commit is None


def test_an_edit_of_the_operator_in_the_same_file_is_left_alone(path, git):
    inventory = Editor(path)
    file = path / "host_vars" / "anna" / "tenant.yml"
    file.write_text(file.read_text() + "tenant_quota: 300G\n")
    for work in (lambda: inventory.set_state("anna", "stopped"), lambda: inventory.remove("anna")):
        message = "host_vars/anna/tenant.yml: there are uncommitted changes; commit them first"
        assert refused(inventory, work) == message
    git("commit", "-q", "-a", "-m", "more room for anna")
    inventory.set_state("anna", "stopped")
    assert git("show", "--format=", "--name-only").split() == ["host_vars/anna/tenant.yml"]


def test_a_git_that_outlives_a_killed_edit_completes_it(path, git):
    hook = path / ".git" / "hooks" / "pre-commit"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\nrm -f \"$0\"\nkill -9 $(cut -d' ' -f4 /proc/$PPID/stat)\n")
    hook.chmod(0o755)
    child = start(lambda: Editor(path).set_state("anna", "stopped"))
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
    until = time.monotonic() + PATIENCE
    while (path / ".git" / "index.lock").exists() and time.monotonic() < until:
        time.sleep(0.05)
    Editor(path).set_state("anna", "suspended")
    assert git("log", "--format=%s").split("\n")[:-1] == ["Suspend tenant anna", "Stop tenant anna", "first"]
    assert git("status", "--porcelain") == ""
    assert not (path / DESK).exists()


def test_an_edit_cut_off_that_git_refuses_is_taken_back_and_told(path, git, start_cut_off):
    assert os.WTERMSIG(os.waitpid(start_cut_off("Maria <maria@example.ch>"), 0)[1]) == signal.SIGKILL
    git("config", "--unset", "user.name")
    git("config", "user.useConfigOnly", "true")
    with pytest.raises(InventoryError, match="^Stop tenant anna: this earlier edit was interrupted") as error:
        Editor(path).set_state("anna", "suspended")
    assert "Please tell me who you are" in error.value.problems[1]
    assert git("status", "--porcelain") == ""
    assert not (path / DESK).exists()


def test_an_edit_killed_before_its_commit_is_committed_by_the_next(path, git, start_cut_off, read_by_ansible):
    assert os.WTERMSIG(os.waitpid(start_cut_off(), 0)[1]) == signal.SIGKILL
    assert (path / DESK).exists()
    assert "|--anna" in read_by_ansible()
    inventory = Editor(path)
    assert inventory.tenants()["anna"].settings["tenant_state"] == "stopped"
    inventory.create("hans", email=MAIL, plan="small")
    assert git("log", "--format=%s").split("\n")[:2] == ["Create tenant hans (100G, small)", "Stop tenant anna"]
    assert git("status", "--porcelain") == ""
    assert not (path / DESK).exists()


# Admission


def test_tenants_go_where_most_memory_is_and_nobody_beyond_what_is_there(path, write):
    write("hosts.yml", "servers:\n  hosts:\n    silo1:\n    silo2:\nnas:\n  hosts:\n    silo1:\n")
    write("host_vars/anna/overrides.yml", "tenant_server: silo1\n")
    write("group_vars/all/policy.yml", "silo_memory_of_server: 38G\nsilo_memory_reserve: 8G\n")
    inventory = Editor(path)
    sizes = Sizes(nas={"silo1": 500 * GIB})
    placed = [
        inventory.create(name, email=MAIL, plan="small", sizes=sizes).after["tenant_server"]
        for name in ("aa", "bb", "cc")
    ]
    assert placed == ["silo2", "silo1", "silo2"]
    before = checksum(path)
    with pytest.raises(AdmissionError, match="dd: it needs 2.5 GiB of memory, and no server has as much left: 512 MiB"):
        inventory.create("dd", email=MAIL, plan="small")
    with pytest.raises(AdmissionError, match="aa: it needs 3.5 GiB of memory on silo2, which has 3 GiB left"):
        inventory.change("aa", server_memory="2G")
    with pytest.raises(AdmissionError, match="aa: it needs 250 GiB of storage on silo1, which has 200 GiB left"):
        inventory.change("aa", quota="250G", sizes=sizes)
    assert checksum(path) == before
    inventory.set_state("aa", "stopped")
    assert inventory.create("dd", email=MAIL, quota="50G", sizes=sizes).after["tenant_server"] == "silo2"
    with pytest.raises(AdmissionError, match="aa: it needs 2.5 GiB of memory on silo2, which has 512 MiB left"):
        inventory.set_state("aa", "running")
    inventory.change("aa", server_memory="768M")


def test_nobody_is_promised_more_of_a_disk_than_it_has_until_others_are_purged(path):
    inventory = Editor(path)
    disk = Sizes(disks={"silo1": 50 * GIB})
    inventory.create("aa", email=MAIL, plan="small", sizes=disk)
    with pytest.raises(AdmissionError, match="bb: it needs 20 GiB on the disk of silo1, which has 10 GiB left; of its"):
        inventory.create("bb", email=MAIL, plan="small", sizes=disk)
    with pytest.raises(AdmissionError, match="aa: it needs 31 GiB on the disk of silo1, which has 30 GiB left"):
        inventory.change("aa", disk="31G", sizes=disk)
    inventory.change("aa", disk="30G", sizes=disk)
    # What does not grow is not refused, also where the disk became too small.
    inventory.change("aa", disk="29G", sizes=Sizes(disks={"silo1": GIB}))
    inventory.remove("aa")
    (deletion,) = inventory.deletion_records()
    assert deletion.disk == 29 * GIB
    with pytest.raises(AdmissionError, match="49 GiB are promised to 2 tenants"):
        inventory.create("bb", email=MAIL, plan="small", sizes=disk)
    inventory.purge(deletion)
    inventory.create("bb", email=MAIL, plan="small", sizes=disk)


def test_a_disk_may_be_promised_more_than_once_where_its_operator_says_so(path, write):
    write("group_vars/all/policy.yml", "silo_disk_overcommit: 1.2\n")
    inventory, disk = Editor(path), Sizes(disks={"silo1": 50 * GIB})
    inventory.create("aa", email=MAIL, plan="small", sizes=disk)
    inventory.create("bb", email=MAIL, plan="small", sizes=disk)
    with pytest.raises(AdmissionError, match="of its 50 GiB times 1.2, 60 GiB are promised to 3 tenants"):
        inventory.create("cc", email=MAIL, plan="small", sizes=disk)


def test_a_tenant_goes_to_another_server_where_the_disk_of_the_roomiest_is_full(path, write):
    write("hosts.yml", "servers:\n  hosts:\n    silo1:\n    silo2:\nnas:\n  hosts:\n    silo1:\n")
    write("host_vars/anna/overrides.yml", "tenant_server: silo1\n")
    inventory = Editor(path)

    def placed(name, **disks):
        sizes = Sizes(disks={server: size * GIB for server, size in disks.items()})
        return inventory.create(name, email=MAIL, plan="small", sizes=sizes, dry_run=True).after["tenant_server"]

    assert placed("hans", silo1=1000, silo2=1000) == "silo2"
    assert placed("hans", silo1=1000, silo2=19) == "silo1"
    # Of one whose disk was not read nothing is known, and an apply refuses there.
    assert placed("hans", silo1=1000) == "silo2"
    with pytest.raises(AdmissionError, match="hans: it needs 20 GiB on the disk of silo2, which has 19 GiB left"):
        placed("hans", silo1=39, silo2=19)


def test_a_server_that_is_its_own_nas_keeps_the_files_of_its_tenants(path, write):
    both = "  hosts:\n    silo1:\n    silo2:\n"
    write("hosts.yml", f"servers:\n{both}nas:\n{both}")
    write("host_vars/anna/overrides.yml", "tenant_server: silo1\ntenant_nas: silo1\n")
    inventory = Editor(path)

    def placed(sizes, **given):
        made = inventory.create("hans", email=MAIL, plan="small", sizes=sizes, dry_run=True, **given).after
        return made["tenant_server"], made["tenant_nas"]

    # Of the storage, the first has more left, and of memory the second.
    assert placed(Sizes({"silo1": 9000 * GIB, "silo2": 900 * GIB})) == ("silo2", "silo2")
    assert placed(NOT_READ, server="silo1") == ("silo1", "silo1")
    assert placed(NOT_READ, nas="silo1") == ("silo1", "silo1")
    # Where the storage of the roomiest is full, or its disk, it is the other one with both.
    assert placed(Sizes({"silo1": 9000 * GIB, "silo2": 90 * GIB})) == ("silo1", "silo1")
    assert placed(Sizes({"silo1": 9000 * GIB, "silo2": 9000 * GIB}, {"silo2": GIB})) == ("silo1", "silo1")
    write("group_vars/all/zz.yml", "silo_memory_of_server: 40G\n")
    with pytest.raises(AdmissionError, match="hans: it needs 4.5 GiB of memory on silo1, which has 3 GiB left"):
        placed(NOT_READ, nas="silo1", server_memory="3G")
    assert placed(NOT_READ, server_memory="3G") == ("silo2", "silo2")


def test_a_server_that_is_no_nas_uses_one_that_is_no_server(path, write):
    write("hosts.yml", "servers: {hosts: {silo1: , silo2: }}\nnas: {hosts: {silo1: , nas2: }}\n")
    write("host_vars/anna/overrides.yml", "tenant_server: silo1\ntenant_nas: silo1\n")
    made = Editor(path).create("hans", email=MAIL, plan="small", sizes=NOT_READ, dry_run=True).after
    assert (made["tenant_server"], made["tenant_nas"]) == ("silo2", "nas2")
    write("hosts.yml", "servers: {hosts: {silo1: , silo2: }}\nnas: {hosts: {silo1: }}\n")
    made = Editor(path).create("hans", email=MAIL, plan="small", sizes=NOT_READ, dry_run=True).after
    assert (made["tenant_server"], made["tenant_nas"]) == ("silo2", "silo1")


def test_nobody_is_placed_on_a_machine_that_is_away_and_who_needs_it_is_refused(path, write):
    both = "  hosts:\n    silo1:\n    silo2:\n"
    write("hosts.yml", f"servers:\n{both}nas:\n{both}")
    write("host_vars/anna/overrides.yml", "tenant_server: silo1\ntenant_nas: silo1\n")
    inventory = Editor(path)
    sizes = Sizes({"silo1": 9000 * GIB}, away={"silo2": "silo2 cannot be reached."})

    def created(**settings):
        return inventory.create("hans", email=MAIL, plan="small", sizes=sizes, dry_run=True, **settings).after

    placed = created()
    # Without it, the second would be chosen: it has nobody yet.
    assert (placed["tenant_server"], placed["tenant_nas"]) == ("silo1", "silo1")
    before = checksum(path)
    for place in ({"server": "silo2"}, {"nas": "silo2"}):
        with pytest.raises(HostAwayError, match=r"^hans: nothing was changed. silo2 cannot be reached.$"):
            created(**place)
    with pytest.raises(HostAwayError):
        inventory.change("anna", quota="1T", sizes=Sizes(away={"silo1": "silo1 cannot be reached."}))
    with pytest.raises(HostAwayError, match=r"two\.$"):
        inventory.create("hans", email=MAIL, plan="small", sizes=Sizes(away={"silo1": "one.", "silo2": "two."}))
    assert checksum(path) == before
    # Who lives elsewhere does not need it.
    inventory.change("anna", quota="1T", sizes=sizes)


def test_where_a_neighbour_is_wrong_nobody_is_let_in_and_everybody_can_be_stopped(inventory, write):
    write("host_vars/rosa/tenant.yml", f"tenant_email: {MAIL}\ntenant_quota: lots\ntenant_index: 3\n")
    message = refused(inventory, lambda: inventory.create("hans", email=MAIL, plan="small"))
    assert message == "rosa: tenant_quota is 'lots'; it must be a size such as 512M, 100G or 1T"
    inventory.set_state("anna", "suspended")
    assert "tenant_quota is 'lots'" in refused(inventory, lambda: inventory.set_state("anna", "running"))
    inventory.change("rosa", quota="10G")
    inventory.set_state("anna", "running")


# What is refused


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("../etc", "tenant '../etc': this name cannot be used; it must have 2 to 31 small letters"),
        ("a/b", "tenant 'a/b': this name cannot be used"),
        ("..", "tenant '..': this name cannot be used"),
        ("hans muster", "tenant 'hans muster': this name cannot be used"),
        ("Hans", "tenant 'Hans': this name cannot be used"),
        ("hans\n", "tenant 'hans\\n': this name cannot be used"),
        ("", "tenant '': this name cannot be used"),
        ("-rf", "tenant '-rf': this name cannot be used"),
        ("h\u0430ns", "tenant 'h\u0430ns': this name cannot be used"),
        ("www", "tenant 'www': this name is reserved for the platform; choose another"),
        ("a" * 10_000, f"tenant '{'a' * 59}... (10000 characters): this name cannot be used"),
    ],
)
def test_a_name_that_cannot_be_is_refused_by_every_edit(inventory, unmerged, name, sentence):
    for work in (
        lambda: inventory.create(name, email=MAIL, plan="small"),
        lambda: inventory.set_state(name, "stopped"),
        lambda: inventory.remove(name),
        lambda: inventory.restore(name),
    ):
        assert refused(inventory, work).startswith(sentence)


def test_a_letter_that_looks_like_another_is_named(inventory, unmerged):
    message = refused(inventory, lambda: inventory.create("h\u0430ns", email=MAIL, plan="small"))
    assert message.endswith("beginning with a letter; it holds CYRILLIC SMALL LETTER A")


@pytest.mark.parametrize(
    ("given_settings", "sentence"),
    [
        (
            {"email": "hans@example.ch\nBcc: all@example.ch"},
            "tenant_email is 'hans@example.ch\\nBcc: all@example.ch'; it must be an",
        ),
        (
            {"email": "hans@example.ch\r"},
            "tenant_email is 'hans@example.ch\\r'; it must be an address such as",
        ),
        ({"email": "a@example.ch,b@example.ch"}, "tenant_email is 'a@example.ch,b@example.ch'; it must be an address"),
        ({"email": "a@example.ch b@example.ch"}, "tenant_email is 'a@example.ch b@example.ch'; it must be an address"),
        ({"email": "h\u0430ns@example.ch"}, "tenant_email is 'h\u0430ns@example.ch'; it must be an address"),
        (
            {"email": "{{lookup('pipe','id')}}@example.ch"},
            "tenant_email is \"{{lookup('pipe','id')}}@example.ch\"; it must",
        ),
        ({"email": None}, "tenant_email is None; it must be an address such as hans@example.ch"),
        ({"email": "a" * 10_000 + "@example.ch"}, "(10011 characters); it must be an address such as hans@example.ch"),
        ({"plan": "smal"}, "tenant_plan is 'smal'; it must be one of large, medium, small"),
        ({"plan": "../small"}, "tenant_plan is '../small'; it must be one of large, medium, small"),
        ({"language": "es"}, "tenant_language is 'es'; it must be one of de, fr, it, en"),
        ({"subscription": "cus_1"}, "'cus_1'; it must be the id of a subscription, such as sub_1QxAbcDef"),
        ({"extended_until": "15.1.2027"}, "tenant_extended_until is '15.1.2027'; it must be a day such as 2027-01-15"),
        (
            {"extended_until": "2027-02-30"},
            "tenant_extended_until is '2027-02-30'; it must be a day such as 2027-01-15",
        ),
        ({"extended_until": "20270115"}, "tenant_extended_until is '20270115'; it must be a day such as 2027-01-15"),
        ({"state": "stoped"}, "tenant_state is 'stoped'; it must be one of running, stopped, suspended, absent"),
        ({"quota": "{{ 1 }}G"}, "tenant_quota is '{{ 1 }}G'; it must be a size such as 512M, 100G or 1T"),
        ({"quota": 100}, "tenant_quota is 100; it must be a size such as 512M, 100G or 1T"),
        ({"quota": ""}, "tenant_quota is ''; it must be a size such as 512M, 100G or 1T"),
        ({"server": "silo\x00"}, "tenant_server is 'silo\\x00'; it must be one line of at most 254 plain characters"),
        ({"qouta": "1G"}, "anna: unknown setting 'qouta'. Did you mean 'quota'?"),
        ({"index": "7"}, "anna: unknown setting 'index'"),
    ],
)
def test_a_value_that_cannot_be_is_refused_before_anything_is_asked(inventory, unmerged, given_settings, sentence):
    message = refused(inventory, lambda: inventory.change("anna", **given_settings))
    assert message.startswith("anna: ")
    assert sentence in message


@pytest.mark.parametrize(
    ("given_settings", "sentence"),
    [
        ({"quota": "-1G"}, "hans: tenant_quota is '-1G'; it must be a size such as 512M, 100G or 1T"),
        ({"quota": "0"}, "hans: tenant_quota is '0'; it must be a size such as 512M, 100G or 1T"),
        ({"quota": "100"}, "hans: tenant_quota is '100'; it must be a quota with its unit, such as 100G, from"),
        ({"plan": "small", "disk": "1K"}, "hans: tenant_disk is '1K'; it must be a size of a disk with its unit,"),
        ({"quota": "99999999T"}, "hans: tenant_quota is '99999999T'; it must be a quota with its unit, such as"),
        (
            {"plan": "small", "server_memory": "1K"},
            "hans: tenant_server_memory is '1K'; it must be a memory limit with its unit, from 64M to 1T",
        ),
        ({"plan": "small", "server": "silo9"}, "hans: tenant_server is 'silo9'; it must be one of silo1"),
        ({"plan": "small", "nas": "nas9"}, "hans: tenant_nas is 'nas9'; it must be one of silo1"),
        ({}, "hans: tenant_quota is missing; set a plan, or a quota such as 100G"),
    ],
)
def test_what_the_schema_or_the_inventory_does_not_know_is_refused(inventory, given_settings, sentence):
    message = refused(inventory, lambda: inventory.create("hans", email=MAIL, **given_settings))
    assert message.startswith(sentence)


def test_names_that_something_has_are_refused(inventory, write):
    write("host_vars/hans/overrides.yml", "tenant_quota: 1G\n")
    write("host_vars/rosa.yml", "tenant_quota: 1G\n")
    cases = {
        "anna": "tenant 'anna': it exists already",
        "silo1": "tenant 'silo1': a machine or a group of the inventory has this name; choose another",
        "servers": "tenant 'servers': a machine or a group of the inventory has this name; choose another",
        "hans": "host_vars/hans: it exists without a tenant.yml and contains overrides.yml; move it away",
        "rosa": "host_vars/rosa.yml: this file would count for tenant rosa; move it away",
    }
    for name, sentence in cases.items():
        assert refused(inventory, lambda name=name: inventory.create(name, email=MAIL, plan="small")).startswith(
            sentence
        )


def test_a_name_that_is_not_there_gets_a_suggestion(inventory, unmerged):
    message = refused(inventory, lambda: inventory.set_state("ana", "stopped"))
    assert message == "unknown tenant 'ana'. Did you mean 'anna'?"
    assert refused(inventory, lambda: inventory.restore("anna")).endswith("the trash has none of this name")


def test_what_people_said_is_not_written_over(inventory, write):
    message = refused(inventory, lambda: inventory.change("anna", server_memory="3G"))
    path = "host_vars/anna/overrides.yml"
    assert message == f"anna: tenant_server_memory is '2G' in {path}, which people write; change it there"
    inventory.change("anna", server_memory="2G")
    write("host_vars/anna/zz.yml", "tenant_quota: 7G\n")
    message = refused(inventory, lambda: inventory.change("anna", quota="8G"))
    assert message.startswith(
        "anna: tenant_quota stays '7G' and does not become '8G', as another file of host_vars/anna"
    )


@pytest.mark.parametrize(
    ("file", "text", "sentence"),
    [
        ("host_vars/anna/tenant.yml", "tenant_index: [1\n", "host_vars/anna/tenant.yml: line 2 cannot be read"),
        (
            "host_vars/anna/tenant.yml",
            "a: 1\na: 2\n",
            "host_vars/anna/tenant.yml: line 2 has 'a' once more; keep one",
        ),
        (
            "host_vars/anna/tenant.yml",
            "$ANSIBLE_VAULT;1.1;AES256\n33\n",
            "host_vars/anna/tenant.yml: it is encrypted by",
        ),
        (
            "host_vars/rosa/tenant.yml",
            "just words\n",
            "host_vars/rosa/tenant.yml: it holds 'just words'; it must hold lines such as",
        ),
        ("hosts.yml", "servers: [\n", "hosts.yml: line 2 cannot be read"),
        (
            "group_vars/all/policy.yml",
            "silo_memory_reserve: much\n",
            "silo1: silo_memory_reserve is 'much'; it must be a size with its unit",
        ),
        (
            "group_vars/all/policy.yml",
            "silo_memory_overcommit: -1\n",
            "silo1: silo_memory_overcommit is -1; it must be a",
        ),
        ("group_vars/all/policy.yml", "tenant_domain: '{{ no_such }}'\n", "tenant_domain cannot be worked out"),
        (
            "retired/7-emil.yml",
            "index: 8\nname: emil\n",
            "retired/7-emil.yml: it holds index 8 and name 'emil'; they must be those of",
        ),
        ("retired/7-emil/tenant.yml", "a: 1\n", "retired/7-emil: its record 7-emil.yml is missing; restore it"),
    ],
)
def test_an_inventory_that_cannot_be_read_is_told_and_left_alone(inventory, write, file, text, sentence):
    write(file, text)
    assert sentence in refused(inventory, lambda: inventory.create("hans", email=MAIL, plan="small"))


def test_what_is_encrypted_for_the_platform_is_opened_as_ansible_does(path, inventory, write, monkeypatch, unforked):
    sealed = VaultLib([("default", VaultSecret(b"secret"))]).encrypt("tenant_time_zone: Europe/Rome\n")
    write("group_vars/all/vault.yml", sealed.decode())
    write("../password", "secret\n")
    monkeypatch.setenv("ANSIBLE_CONFIG", str(ROOT / "ansible.cfg"))
    monkeypatch.setenv("SILO_VAULT_PASSWORD_FILE", str(path / "../password"))
    assert inventory.fleet().tenants["anna"].settings["tenant_time_zone"] == "Europe/Rome"
    write("../password", "wrong\n")
    sentence = "Ansible could not read it: Decryption failed"
    assert sentence in refused(inventory, lambda: inventory.create("hans", email=MAIL, plan="small"))


def test_an_ansible_that_ends_or_hangs_is_told(inventory, monkeypatch, write, path, unforked):
    write("../tool", "#!/bin/sh\necho no space left >&2\n")
    (path / "../tool").chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(path / "../tool"))
    assert refused(inventory, lambda: inventory.set_state("anna", "stopped")).endswith(": no space left")
    write("../tool", "#!/bin/sh\nexec sleep 60\n")
    monkeypatch.setattr(reader, "LIMIT_SECONDS", 1)
    assert refused(inventory, lambda: inventory.set_state("anna", "stopped")).endswith("no answer in 1 seconds")


def test_who_starts_ahead_reads_the_inventory_as_it_is_at_its_session(inventory, write):
    with inventory.ahead():
        write("host_vars/anna/overrides.yml", "tenant_time_zone: Europe/Rome\n")
        (reader,) = inventory._ready
        with inventory.session(dry_run=True) as session:
            assert session.reader is reader
            assert session.change("anna", {"quota": "200G"}).was.settings["tenant_time_zone"] == "Europe/Rome"
        assert inventory._ready == []
    with inventory.session(dry_run=True) as session:
        assert session.reader is not reader


def test_an_ansible_that_nobody_asks_is_ended(inventory, unforked):
    with inventory.ahead():
        (reader,) = inventory._ready
    assert (inventory._ready, reader._process.returncode) == ([], -signal.SIGKILL)


@pytest.mark.parametrize("link", ["host_vars", "host_vars/anna", "host_vars/anna/tenant.yml", "retired"])
def test_a_link_out_of_the_inventory_is_refused(path, inventory, link, tmp_path):
    (path / "retired").mkdir()
    outside = tmp_path / "outside"
    (path / link).rename(outside)
    (path / link).symlink_to(outside)
    before = checksum(tmp_path)
    for work in (lambda: inventory.create("hans", email=MAIL, plan="small"), lambda: inventory.remove("anna")):
        assert refused(inventory, work).startswith(f"{link}: it is a symbolic link to ")
    assert checksum(tmp_path) == before


def test_a_folder_that_is_no_inventory_is_told(tmp_path):
    with pytest.raises(InventoryError, match="it is no inventory; it must be a folder with hosts.yml and tenants.yml"):
        InventoryEditor.open(tmp_path)


@BOUNDED
@example("a" * 10_000)
@example("\u0430nna")
@given(st.one_of(st.text(max_size=40), LONG))
def test_no_name_of_any_letters_harms(path, unmerged, name):
    inventory = Editor(path)
    if validation.new_name_problem(name) is None:
        with pytest.raises(AssertionError, match="Ansible was asked"):
            inventory.create(name, email=MAIL, plan="small")
    else:
        refused(inventory, lambda: inventory.create(name, email=MAIL, plan="small"))


@BOUNDED
@example("quota", "9" * 10_000)
@given(
    st.sampled_from(["email", "plan", "language", "state", "server", "quota", "server_memory", "x"]),
    st.one_of(st.text("{}%#\r\n\0\u0430a@.ch: ", max_size=30), st.text(max_size=40), LONG),
)
def test_no_value_of_any_letters_harms_or_becomes_a_template(path, unmerged, key, value):
    inventory = Editor(path)
    before = checksum(path)
    try:
        inventory.change("anna", **{key: value})
    except InventoryError as error:
        assert all(problem.isprintable() and len(problem) < 600 for problem in error.problems)
    except AssertionError:
        assert value.isprintable() and len(value) <= 254
        assert not any(mark in value for mark in ("{{", "{%", "{#"))
    assert checksum(path) == before


def test_a_plan_is_enough_and_what_it_says_is_not_written(path, inventory):
    inventory.create("hans", email=MAIL, plan="medium")
    inventory.create("maria", email=MAIL, plan="small", quota="100G", disk="20480M")
    inventory.create("peter", email=MAIL, plan="small", quota="150G")
    quotas = {name: one.settings.get("tenant_quota") for name, one in inventory.tenants().items()}
    assert quotas == {"anna": None, "hans": None, "maria": None, "peter": "150G"}
    assert "tenant_disk" not in inventory.tenants()["maria"].settings
    assert {name: one.quota // GIB for name, one in inventory.fleet().tenants.items()} == {
        "anna": 100,
        "hans": 500,
        "maria": 100,
        "peter": 150,
    }


def test_a_quota_of_a_plan_that_another_file_takes_away_is_written(inventory, write):
    write("group_vars/on_silo1.yml", "tenant_quota: 50G\n")
    inventory.create("hans", email=MAIL, plan="small", quota="100G")
    assert inventory.fleet().tenants["hans"].quota == 100 * GIB


def test_where_a_tenant_is_is_written_at_its_creation(inventory):
    inventory.create("hans", email=MAIL, plan="small")
    written = inventory.tenants()["hans"].settings
    assert (written["tenant_server"], written["tenant_nas"]) == ("silo1", "silo1")


def test_of_several_nas_it_is_the_one_with_the_most_room(inventory, write):
    write("hosts.yml", "servers:\n  hosts:\n    silo1:\nnas:\n  hosts:\n    nas1:\n    nas2:\n")
    inventory.change("anna", nas="nas1")
    inventory.create("maria", email=MAIL, plan="small")
    assert inventory.tenants()["maria"].settings["tenant_nas"] == "nas2"
    inventory.create("peter", email=MAIL, plan="small", sizes=Sizes({"nas1": 9000 * GIB, "nas2": 200 * GIB}))
    assert inventory.tenants()["peter"].settings["tenant_nas"] == "nas1"


def test_a_change_of_the_plan_changes_all_that_it_says_and_tells_which_exceptions_end(path, write):
    told = []
    inventory = Editor(path, notify=told.append)
    write("group_vars/plan_large.yml", "tenant_quota: 1T\ntenant_server_memory: 3G\n")
    write("host_vars/anna/tenant.yml", "tenant_email: a@example.ch\ntenant_plan: small\ntenant_index: 1\n")
    # What `silo create` once wrote, a copy of the plan, and a customer's exception.
    for key, value in (("tenant_quota", "100G"), ("tenant_disk", "30G"), ("tenant_log_level", "debug")):
        with (path / "host_vars" / "anna" / "tenant.yml").open("a") as file:
            file.write(f"{key}: {value}\n")
    inventory.change("anna", plan="large")
    assert dict(inventory.tenants()["anna"].settings) == {
        "tenant_email": "a@example.ch",
        "tenant_plan": "large",
        "tenant_index": 1,
        "tenant_log_level": "debug",
    }
    anna = inventory.fleet().tenants["anna"]
    assert (anna.quota, anna.disk_quota) == (1024 * GIB, 80 * GIB)
    assert told == [
        "anna: tenant_disk was '30G', and is now what plan large says.",
        "anna: tenant_server_memory stays '2G', an exception of host_vars/anna/overrides.yml.",
    ]


def test_an_exception_is_kept_where_it_is_given_with_the_plan(inventory):
    inventory.change("anna", plan="large", quota="2T")
    assert inventory.tenants()["anna"].settings["tenant_quota"] == "2T"
    inventory.change("anna", plan="medium", quota="500G")
    assert "tenant_quota" not in inventory.tenants()["anna"].settings


def test_the_same_plan_once_more_ends_its_exceptions(inventory):
    inventory.change("anna", quota="150G")
    inventory.change("anna", plan="small")
    assert "tenant_quota" not in inventory.tenants()["anna"].settings


def test_a_limit_below_what_is_used_is_refused_before_anything_is_edited(path, inventory):
    there = Sizes({"silo1": 9000 * GIB}, {"silo1": 9000 * GIB}, {"silo1": {"anna": 3 * GIB}}, {"silo1": {"anna": GIB}})
    before = checksum(path)
    with pytest.raises(
        AdmissionError, match="anna: it uses 3 GiB on silo1, and tenant_quota would be 2 GiB; nothing was"
    ):
        inventory.change("anna", quota="2G", sizes=there)
    with pytest.raises(AdmissionError, match="anna: it uses 1 GiB on silo1, and tenant_disk would be 512 MiB"):
        inventory.change("anna", disk="512M", sizes=there)
    assert checksum(path) == before
    inventory.change("anna", quota="4G", sizes=there)
    # More than it has is never refused for what it uses, however much that is.
    full = Sizes({"silo1": 9000 * GIB}, used={"silo1": {"anna": 900 * GIB}})
    inventory.change("anna", quota="5G", sizes=full)


def test_nobody_is_given_a_nas_on_which_their_files_are_not(inventory, write):
    inventory.change("anna", nas="silo1")
    write("hosts.yml", "servers:\n  hosts:\n    silo1:\nnas:\n  hosts:\n    silo1:\n    nas2:\n")
    there = Sizes({"silo1": 9000 * GIB, "nas2": 9000 * GIB}, used={"silo1": {"anna": 0}})
    said = refused(inventory, lambda: inventory.change("anna", nas="nas2", sizes=there))
    assert said.startswith("anna: tenant_nas would be nas2, and its files are on silo1; silo does not move them")


def test_an_index_that_a_machine_still_counts_is_given_to_nobody(inventory):
    there = Sizes({"silo1": 9000 * GIB}, indexes=frozenset({2, 3}))
    assert inventory.create("hans", email=MAIL, plan="small", sizes=there).after["tenant_index"] == 4


def test_a_name_of_which_a_machine_has_data_is_refused(inventory):
    there = Sizes({"silo1": 9000 * GIB}, used={"silo1": {"hans": 3 * GIB}})
    said = refused(inventory, lambda: inventory.create("hans", email=MAIL, plan="small", sizes=there))
    assert said.startswith("tenant 'hans': silo1 has a directory of this name, with 3 GiB, and the inventory does not")


def test_one_wrong_file_keeps_nobody_else_from_a_change_and_everybody_from_a_creation(inventory, write):
    write("host_vars/rosa/tenant.yml", "tenant_email: r@example.ch\n\ttenant_plan: small\n")
    inventory.set_state("anna", "stopped")
    assert inventory.fleet().problems == ("host_vars/rosa/tenant.yml: line 2 begins with a tab; write spaces",)
    assert "line 2 begins with a tab" in refused(inventory, lambda: inventory.create("hans", email=MAIL, plan="small"))


@pytest.mark.parametrize(
    ("file", "text", "sentence"),
    [
        (
            "group_vars/all/policy.yml",
            "silo_domian: a.ch\n",
            "unknown setting 'silo_domian'. Did you mean 'silo_domain'?",
        ),
        (
            "group_vars/tenants.yml",
            "tenant_qouta: 1T\n",
            "unknown setting 'tenant_qouta'. Did you mean 'tenant_quota'?",
        ),
        (
            "group_vars/all/images.yml",
            "silo_images:\n  valkey: a:1\n",
            "silo_images lacks immich_machine_learning, immich_",
        ),
        ("host_vars/silo1/more.yml", "silo_disk_devcie: /dev/sdb\n", "Did you mean 'silo_disk_device'?"),
        (
            "hosts.yml",
            "servers:\n  hosts:\n    silo1:\n      silo_memory_of_sever: 64G\nnas: {hosts: {silo1: }}\n",
            "Did",
        ),
    ],
)
def test_a_setting_of_the_platform_that_means_nothing_is_refused_by_every_edit(inventory, write, file, text, sentence):
    write(file, text)
    for work in (
        lambda: inventory.set_state("anna", "stopped"),
        lambda: inventory.create("h1", email=MAIL, plan="small"),
    ):
        said = refused(inventory, work)
        assert said.startswith(f"{file}: ")
        assert sentence in said


@pytest.mark.parametrize(
    ("file", "sentence"),
    [
        ("host_vars/anna/tenant.yaml", "Ansible reads it besides tenant.yml, and one hides the other"),
        ("host_vars/anna/tenant copy.yml", "Ansible reads it besides tenant.yml, and one hides the other"),
        ("host_vars/anna/overrides.json", "Ansible reads it besides overrides.yml, and one hides the other"),
        ("host_vars/anna/notes", "Ansible reads it as settings; move its lines into overrides.yml"),
        ("host_vars/anna.yml", "beside the folder host_vars/anna it counts nowhere"),
    ],
)
def test_a_file_that_would_count_otherwise_than_it_looks_is_told(inventory, write, file, sentence):
    write(file, "tenant_quota: 1T\n")
    (problem,) = inventory.fleet().problems
    assert problem.startswith(f"{file}: {sentence}")
    assert inventory.fleet().tenants == {}


@pytest.mark.parametrize("name", ["maintenance.yml", "hosts-2.yaml"])
def test_a_mistake_in_a_file_beside_hosts_yml_is_a_sentence_with_its_line(inventory, write, name):
    write(name, "all:\n  vars:\n    silo_maintenance: [\n")
    with pytest.raises(InventoryError, match=rf"^{name}: line 4 cannot be read, .*; it must hold lines such as"):
        inventory.fleet()


@pytest.mark.parametrize(
    ("name", "text", "machines"),
    [
        ("hosts_old.yml", "servers: {hosts: {silo9: {}}, children: {west: {hosts: {silo8: {}}}}}\n", "silo8', 'silo9"),
        ("old/hosts.yml", "all: {children: {servers: {hosts: {silo9: {}}}}}\n", "silo9"),
        ("hosts", "[servers]\nsilo9\n", "silo9"),
        ("notes", "words\n", "words"),
        ("more.json", '{"nas": {"hosts": {"silo9": {}}}}\n', "silo9"),
    ],
)
def test_a_file_beside_hosts_yml_that_names_machines_is_told(path, inventory, write, name, text, machines):
    write(name, text)
    (told,) = examination.examine(path).leftovers
    right = "move them into hosts.yml, or the file out of the inventory"
    assert told == f"{name}: Ansible reads it besides hosts.yml, with the machines '{machines}'; {right}"
    assert examination.examine(path).unreadable == ()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("README", b"Mine\n\nThis is the inventory.\n"),
        ("hosts.yml.old", b"servers:\n  hosts:\n    silo1:\n"),
        ("old/LICENSE", b"You may, if you like.\n"),
        ("logo.png", b"\x89PNG\r\n\xff"),
    ],
)
def test_a_file_beside_hosts_yml_that_stops_ansible_is_a_sentence_with_the_remedy(path, inventory, name, text):
    (path / name).parent.mkdir(exist_ok=True)
    (path / name).write_bytes(text)
    with pytest.raises(InventoryError) as caught:
        inventory.fleet()
    assert str(caught.value) == (
        f"{name}: Ansible reads each file beside hosts.yml as a list of machines, and this is none; move it into the "
        "folder files, or out of the inventory"
    )


def test_a_file_beside_hosts_yml_that_is_no_list_of_machines_is_nobodys_matter(path, inventory, write):
    for name in ("README.md", "known_hosts.txt", ".gitignore", "files/README", "hosts.yml~", "old/x.cfg"):
        write(name, "some words of ours\n")
    write("maintenance.yml", "all: {vars: {silo_maintenance: {}}}\n")
    write("cloud.yml", "plugin: ansible.builtin.constructed\n")
    write("own.yml", "all: {vars: {ours: 1}}\n")
    write("tool", "#!/bin/sh\necho {}\n")
    (path / "tool").chmod(0o755)
    found = examination.examine(path)
    assert (found.leftovers, found.unreadable) == ((), ())


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("billing_checkout_brand: Foto\n", 1),
        ("---\n# Ours\nbilling_host: b.example.ch\nbilling_checkout_brand: 'Foto & Co'\n", 4),
        ("billing_checkout_brand: {name: Foto}\n", None),
        ("billing_checkout_brand: '{{ silo_brand }}'\n", None),
        ("# billing_checkout_brand: Foto\nbilling_checkout_brand:\n  name: Foto\n", None),
    ],
)
def test_the_brand_of_the_checkout_as_a_text_is_told_with_its_line(path, write, text, line):
    write("group_vars/all/ours.yml", text)
    found = examination.examine(path)
    begins = [f"group_vars/all/ours.yml: line {line}: billing_checkout_brand is no setting any more"] if line else []
    assert [one.partition(", and")[0] for one in found.leftovers] == begins
    assert (found.mistakes, found.unreadable) == ((), ())


def test_files_of_an_inventory_such_as_a_logo_are_no_lists_of_machines(path, inventory):
    (path / "files").mkdir()
    (path / "files" / "logo.svg").write_text(
        '<svg xmlns="http://www.w3.org/2000/svg">\n <text>Foto und S</text>\n</svg>\n'
    )
    assert list(inventory.fleet().tenants) == ["anna"]


def test_what_an_editor_left_and_a_file_of_ones_own_count_for_nothing_and_for_what_they_say(inventory, write):
    for name in ("tenant.yml~", "tenant.yml.bak", "#tenant.yml#", ".tenant.yml.swp"):
        write(f"host_vars/anna/{name}", "no: [settings\n")
    write("host_vars/anna/photos.yml", "tenant_log_level: debug\n")
    assert inventory.fleet().problems == ()
    found = examination.examine(inventory.folder.root).leftovers
    assert [one.split(":")[0].rpartition("/")[2] for one in found] == ["#tenant.yml#", "tenant.yml.bak", "tenant.yml~"]


def test_a_folder_that_was_copied_with_its_secrets_is_told_and_its_owner_is_left_in_peace(inventory, write):
    for name, index in (("hans", 3), ("bea", 4)):
        write(
            f"host_vars/{name}/tenant.yml", f"tenant_email: a@example.ch\ntenant_plan: small\ntenant_index: {index}\n"
        )
        write(f"host_vars/{name}/vault.yml", "$ANSIBLE_VAULT;1.1;AES256\n3334\n")
    assert list(inventory.fleet().tenants) == ["anna", "hans"]
    (problem,) = inventory.fleet().problems
    assert problem.startswith("bea: its vault.yml has the secrets of hans; if bea is new, remove that file")


def test_sizes_are_checked_whoever_wrote_them_and_in_both_ways_of_writing(inventory, write):
    write("host_vars/rosa/tenant.yml", "tenant_email: r@example.ch\ntenant_quota: 100\ntenant_index: 2\n")
    (problem,) = inventory.fleet().problems
    assert problem == "rosa: tenant_quota is '100'; it must be a quota with its unit, such as 100G, from 1M to 1024T"
    write("host_vars/rosa/tenant.yml", "tenant_email: r@example.ch\ntenant_quota: 100Gi\ntenant_index: 2\n")
    assert inventory.fleet().tenants["rosa"].quota == 100 * GIB
    inventory.change("anna", quota="200GiB")
    assert inventory.tenants()["anna"].settings["tenant_quota"] == "200G"


@given(
    st.lists(
        st.sampled_from(
            [
                "---",
                "# a",
                "",
                "a_a: 1",
                "b_b: x@y.ch",
                "c_c: 2026-99-99",
                "a_a: 2",
                "\td_d: 1",
                "e: [",
                "no: 1",
                "g_g: 0x_",
            ]
        )
    )
)
def test_what_is_taken_for_simple_is_what_yaml_reads(lines):
    text = "\n".join(lines)
    if (keys := examination._simple(text)) is not None:
        assert list(document.read("file", text).settings) == keys


def test_settings_that_several_inventories_share_by_a_link_are_read(path, inventory, tmp_path):
    (path / "group_vars" / "all").rename(tmp_path / "shared")
    (path / "group_vars" / "all").symlink_to(tmp_path / "shared")
    inventory.set_state("anna", "stopped")
    (tmp_path / "shared" / "more.yml").write_text("silo_domian: a.ch\n")
    assert "Did you mean 'silo_domain'?" in refused(inventory, lambda: inventory.set_state("anna", "running"))
