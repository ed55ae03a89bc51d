"""Tenants of which there may be hundreds: all that is ours is real, their containers answer a ping, or sleep.

The stack is the project's own Compose file, with other programs in its containers: networks, limits, labels,
dependencies and digests stay. So they are made, changed and looked at by the same apply as any tenant.
"""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Sequence
from pathlib import Path

import yaml

from silo.tenants import TenantService

from .line import BenchError
from .place import ROOT, Place, Run

NOTE = "stub stacks"
FIRST_INDEX = 1000
TREE = "ansible.cfg collections galaxy.yml group_vars meta playbooks plugins roles server tools".split()
ANSWER = (
    "pid /tmp/nginx.pid; error_log stderr; worker_processes 1; events {} http { access_log off; "
    "client_body_temp_path /tmp/b; proxy_temp_path /tmp/p; fastcgi_temp_path /tmp/f; uwsgi_temp_path /tmp/u; "
    'scgi_temp_path /tmp/s; server { listen 2283; location / { return 200 \'{"res":"pong"}\'; } } }'
)
SERVE = 'printf %s "$$NGINX" >/tmp/nginx.conf; exec nginx -e stderr -c /tmp/nginx.conf -g "daemon off;"'
# What a stack without a photo server and a database cannot have: its database, its first admin, quota and login.
MARK = """
for entry in "$@"; do
  name=${entry%%=*} given=${entry#*=}
  folder=/srv/silo/tenants/$name
  install -d -m 0700 $folder
  [ -d /databases/$name ] || btrfs --quiet subvolume create /databases/$name
  install -d -m 0700 /databases/$name/database
  touch /databases/$name/database/PG_VERSION
  printf '%s\\n' "The first admin of this instance exists." >$folder/.admin-created
  printf '%s\\n' "${given%%=*}" >$folder/.app-quota
  printf '%s\\n' "${given#*=}" >$folder/.login
  chmod 0600 $folder/.admin-created $folder/.app-quota $folder/.login
done
"""


def compose(text: str) -> str:
    """The Compose file of a stub, made of that of a tenant."""
    whole = yaml.safe_load(text)
    for name, service in whole["services"].items():
        for key in ("command", "volumes", "secrets", "shm_size", "environment", "stop_grace_period"):
            service.pop(key, None)
        # Seldom, as what health checks cost is a line of its own; but soon after each start of the engine.
        seldom = {"test": ["CMD", "true"], "interval": "1h", "start_period": "24h"}
        service["healthcheck"] = {**service["healthcheck"], **seldom}
        service["entrypoint"] = ["sleep", "infinity"]
        if name == "server":
            service |= {"environment": {"NGINX": ANSWER}, "entrypoint": ["sh", "-c", SERVE]}
    services, networks = whole["services"], whole["networks"]
    return yaml.safe_dump({"services": services, "networks": networks}, explicit_start=True)


def tree(work: Path) -> Path:
    """A copy of this repository whose tenants are stubs."""
    copy = work / "stub-tree"
    if not copy.exists():
        copy.mkdir()
        for name in TREE:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, copy / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy2(source, copy / name)
        file = copy / "roles" / "tenant" / "files" / "compose.yaml"
        file.write_text(compose(file.read_text()))
    return copy


def names(count: int) -> list[str]:
    """The first so many names of stubs."""
    return [f"stub{number}" for number in range(1, count + 1)]


@dataclasses.dataclass
class Stubs:
    """The stubs on a place's server; there are only ever more of them."""

    place: Place
    count: int = 0

    def grow(self, count: int) -> Path:
        """Have so many stubs run, and return the inventory that holds them all."""
        inventory = self.inventory("stubs", max(count, self.count))
        new = names(count)[self.count :]
        if new:
            known = TenantService(inventory, commit=False).tenants()
            self.place.shell(MARK, *(f"{name}={known[name].app_quota}={known[name].login}" for name in new))
            self.apply(inventory, "--limit", ",".join(new))
            self.count = count
            self.look_idle(inventory)
        return inventory

    def subset(self, count: int) -> Path:
        """An inventory of the first so many of the stubs that run, with their secrets."""
        whole, part = self.inventory("stubs", self.count), self.inventory(f"stubs{count}", count)
        for name in names(count):
            shutil.copy2(whole / "host_vars" / name / "vault.yml", part / "host_vars" / name / "vault.yml")
        return part

    def inventory(self, folder: str, count: int) -> Path:
        """Write an inventory of the first so many stubs."""
        images = dict(self.place.lab["images"])
        images |= {"immich_server": images["pages"], "postgres": images["valkey"]}
        tenants = {name: {"tenant_index": FIRST_INDEX + number} for number, name in enumerate(names(count))}
        return self.place.inventory(folder, tenants, silo_images=images)

    def apply(self, inventory: Path, *arguments: str, playbook: str = "apply.yml") -> Run:
        """Apply an inventory of stubs."""
        return self.place.ansible(inventory, playbook, *arguments, tree=tree(self.place.work))

    def look_idle(self, inventory: Path, *arguments: str) -> Run:
        """Apply, and see that there was nothing to do."""
        run = self.apply(inventory, *arguments)
        if changed(run.output):
            raise BenchError(f"an apply with nothing to do changed something:\n{run.output[-2000:]}")
        return run


def changed(recap: str) -> Sequence[str]:
    """The hosts of a recap on which something was changed."""
    lines = (line for line in recap.splitlines() if " changed=" in line)
    return [line.split()[0] for line in lines if " changed=0 " not in line]
