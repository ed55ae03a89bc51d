"""Where it is measured: a lab of the bench's own, a server on it as `site.yml` makes it, and runs that are timed."""

from __future__ import annotations

import dataclasses
import json
import os
import secrets
import shutil
import subprocess
import sys
import time
import typing as t
from collections.abc import Iterable, Mapping
from pathlib import Path

import yaml

from silo.inventory import DeletionRecord, deleted

from .line import BenchError

ROOT = Path(__file__).parents[2]
LAB = "silo-bench"
# Read after the demo's own files, which it overrides.
POLICY = Path("group_vars/all/zz_bench.yml")
SECONDS = 3600
LAST_WORDS = 3000
# Of the server's own clock: what the way there takes is nobody's.
TIMED = """
start=$(date +%s%N)
({ :
$SCRIPT
} >/run/silo-bench.log 2>&1) || { code=$?; cat /run/silo-bench.log; exit $code; }
echo $(($(date +%s%N) - start))
"""
# All of a tenant: its containers and network, its files, its storage and its route.
CLEAN = """
for name in "$@"; do
  label=label=ch.swissphoto.silo.tenant=$name
  docker ps --all --quiet --filter $label | xargs --no-run-if-empty docker rm --force >/dev/null
  docker network ls --quiet --filter $label | xargs --no-run-if-empty docker network rm >/dev/null
  rm -rf /srv/silo/tenants/$name /srv/silo/traefik/routes/tenant-$name.yml
  for place in /instances/$name /databases/$name; do
    if [ -d $place ]; then btrfs --quiet subvolume delete --commit-after $place; fi
  done
done
"""


@dataclasses.dataclass(frozen=True)
class Run:
    """How a program ended: its seconds, what it said, and the peak of its memory and of its children's, in KiB."""

    seconds: float
    output: str
    peak_kib: int = 0


@dataclasses.dataclass(frozen=True)
class Place:
    """The lab as lab.json describes it, and a folder for inventories that is gone afterwards."""

    lab: Mapping[str, t.Any]
    work: Path

    def shell(self, script: str, *arguments: str, seconds: int = SECONDS) -> str:
        """Run a script on the server; raises BenchError with its last words."""
        command = ["docker", "exec", "-i", self.lab["container"], "bash", "-euc", script, "bash", *arguments]
        return _run(command, seconds=seconds).output

    def timed(self, script: str, *arguments: str) -> float:
        """Seconds that a script takes on the server, by its own clock."""
        return int(self.shell(TIMED.replace("$SCRIPT", script), *arguments)) / 1e9

    def python(self, program: str, *arguments: str) -> str:
        """Run a program of Python on the server."""
        command = ["docker", "exec", "-i", self.lab["container"], "python3", "-c", program, *arguments]
        return _run(command).output

    def inventory(self, name: str, tenants: Mapping[str, Mapping[str, object]], **policy: object) -> Path:
        """Write an inventory of these tenants; each variable of the lab is there as production has it: written out."""
        folder = self.work / name
        if not folder.exists():
            _run([str(ROOT / "tools" / "inventory"), "copy", str(folder)])
            for file in folder.glob("host_vars/*/tenant.yml"):
                shutil.rmtree(file.parent)
            _write(folder / "group_vars" / "all" / "lab.yml", {"lab": dict(self.lab)})
        _write(folder / POLICY, {"silo_memory_overcommit": 100.0, **policy})
        for tenant, settings in tenants.items():
            (folder / "host_vars" / tenant).mkdir(exist_ok=True)
            sizes = {"tenant_quota": "1G", "tenant_disk": "1G"}
            values = {"tenant_email": f"{tenant}@example.ch", **sizes, **settings}
            _write(folder / "host_vars" / tenant / "tenant.yml", values)
        return folder

    def ansible(self, inventory: Path, playbook: str, *arguments: str, tree: Path = ROOT) -> Run:
        """Run a playbook of this repository, or of a copy of it, as the operator does."""
        path = str(tree / "playbooks" / playbook) if "/" not in playbook else playbook
        return self._call(["ansible-playbook", "-i", str(inventory), path, *arguments], tree)

    def silo(self, inventory: Path, *arguments: str, tree: Path = ROOT) -> Run:
        """Call silo as the operator does."""
        return self._call(["silo", "-i", str(inventory), "--no-commit", *arguments], tree)

    def clean(self, inventory: Path, *names: str) -> None:
        """Remove tenants, and all that is kept of them."""
        self.shell(CLEAN, *names)
        for name in names:
            shutil.rmtree(inventory / "host_vars" / name, ignore_errors=True)

    def bury(self, inventory: Path) -> None:
        """Keep the indexes of former runs on a lab that was kept: their tenants are in no inventory any more."""
        register = self.shell("if [ -f /instances/.silo-ids ]; then cat /instances/.silo-ids; fi")
        for index, name in (line.split() for line in register.splitlines()):
            now = deleted.now()
            deletion = DeletionRecord(int(index), name, now, "bench", "nas1", 0, purged=now, freed=now)
            (inventory / deleted.FOLDER).mkdir(exist_ok=True)
            (inventory / deletion.path).write_text(deletion.text)

    def _call(self, command: list[str], tree: Path) -> Run:
        ours = {
            "ANSIBLE_CONFIG": str(tree / "ansible.cfg"),
            "ANSIBLE_NOCOLOR": "1",
            "COLUMNS": "200",
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
            "SILO_HOME": str(tree),
            "SILO_VAULT_PASSWORD_FILE": str(self.work / "vault-password"),
        }
        return _run(command, cwd=tree, env={**os.environ, **ours})

    def machine(self) -> dict[str, str]:
        """What the table's reader needs to know of where it was measured."""
        words = self.shell(
            "nproc; uname -r; sed -n 's/^MemTotal: *//p' /proc/meminfo; stat -fc %T /sys/fs/cgroup; "
            "docker version --format '{{.Server.Version}}'; docker compose version --short; "
            "sed -n 's/^model name.*: //p' /proc/cpuinfo | head -1"
        ).splitlines()
        keys = ("cores", "kernel", "memory", "cgroup", "engine", "compose", "processor")
        load = Path("/proc/loadavg").read_text().split()[0]
        return {**dict(zip(keys, words, strict=False)), "load before": load, "when": time.strftime("%Y-%m-%d")}


def _write(path: Path, values: Mapping[str, object]) -> None:
    path.write_text(yaml.safe_dump(dict(values), explicit_start=True))


def _run(
    command: Iterable[str], *, cwd: Path = ROOT, env: Mapping[str, str] | None = None, seconds: int = SECONDS
) -> Run:
    """Run a program to its end; raises BenchError with its last words where it fails."""
    words = list(command)
    start = time.monotonic()
    with subprocess.Popen(
        words, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            output = process.stdout.read() if process.stdout else ""
            _pid, status, used = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        except BaseException:
            process.kill()
            raise
    took = time.monotonic() - start
    if took > seconds:
        raise BenchError(f"'{' '.join(words)[:200]}' took {took:.0f} s; it must be {seconds} s at most")
    if process.returncode:
        said = output[-LAST_WORDS:]
        raise BenchError(f"'{' '.join(words)[:200]}' ended with code {process.returncode}:\n{said}")
    return Run(took, output, used.ru_maxrss)


def make_lab() -> Mapping[str, t.Any]:
    """Make the bench's lab, and return what lab.json says of it."""
    _lab("up")
    return dict(json.loads((ROOT / ".lab" / lab_name() / "lab.json").read_text()))


def add_server() -> None:
    """Add a second server to the bench's lab."""
    _lab("add-server")


def remove_lab() -> None:
    """Remove the bench's lab."""
    _lab("down")


def lab_name() -> str:
    """The name of the bench's lab."""
    return os.environ.get("SILO_LAB") or LAB


def _lab(command: str) -> None:
    # Stand-ins that take as long and as much as the official images, unless others are chosen.
    environment = {"IMAGES": "costly", **os.environ, "SILO_LAB": lab_name()}
    ended = subprocess.run([sys.executable, "-m", "tests.lab", command], cwd=ROOT, env=environment, check=False)
    if ended.returncode:
        raise BenchError(f"'python -m tests.lab {command}' failed; what it said stands above")


def set_up(work: Path) -> Place:
    """Make the lab and its server, without a tenant."""
    place = Place(make_lab(), work)
    (work / "vault-password").touch(mode=0o600)
    (work / "vault-password").write_text(secrets.token_urlsafe(32))
    place.ansible(place.inventory("base", {}), "site.yml")
    # It starts who should run and does not, as are those whom bare Compose takes down and up.
    place.shell("systemctl stop silo-recovery.timer")
    return place
