"""Lines 17 and 18: what a template costs, and what fifteen tenants need on their first day."""

from __future__ import annotations

import concurrent.futures
import json
import time
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path

from tests.e2e.cloud import Cloud, picture
from tests.e2e.lab import Lab
from tests.e2e.vaults import Vaults

from .line import BenchError, Line
from .place import ROOT, Place, lab_name

NUMBERS = ("17", "18")
FLEET = 15
PHOTOS = 20
PIXELS = 1500
DAY_SECONDS = 1800
FORGET = "rm -f /instances/.templates/*.json /instances/.templates/*.tar.zst"
SIZE = "stat --format %s /instances/.templates/*.tar.zst"
# MiB of all containers of the tenants that are named, and how often one of their processes was killed.
LOOK = """
import json, sys
from pathlib import Path
sys.path.insert(0, "/usr/local/lib/silo/accounting.pyz")
from ansible_collections.swissphoto.silo.plugins.module_utils.usage import collector
found = collector.read(Path("/srv/silo/tenants"), 0, 5, databases=False)
services = [service for name in sys.argv[1:] for service in found[name].services.values()]
memory = sum(service.group.memory_bytes for service in services) / 2**20
print(json.dumps([memory, sum((service.group.oom_kills or 0) + service.restarts for service in services)]))
"""


def template(place: Place, rounds: int) -> Iterator[Line]:
    """Line 17: a template, made anew."""
    inventory = place.inventory("template", {})
    seconds, sizes = [], []
    for _round in range(rounds):
        place.shell(FORGET)
        seconds.append(place.ansible(inventory, "site.yml", "--tags", "template").seconds)
        sizes.append(int(place.shell(SIZE)) / 2**20)
    yield Line("17", "a template of a set of images, made", "", tuple(seconds), (), None)
    yield Line("17b", "its size on the NAS", "", tuple(sizes), (), None, "MiB")


def _upload(cloud: Cloud, email: str, password: str) -> None:
    """Log in and upload photos, as a phone does on its first day; raises BenchError."""
    answers = [cloud.login(email, password), *(cloud.upload(picture(PIXELS), f"{n}.jpg") for n in range(PHOTOS))]
    if wrong := [answer.status for answer in answers if answer.status != HTTPStatus.CREATED]:
        raise BenchError(f"{cloud.host} answers an upload with {wrong[0]}; it must be {HTTPStatus.CREATED}")


def _busy(cloud: Cloud) -> bool:
    """Whether a photo server still works on what was uploaded."""
    queues = cloud.get("/api/jobs").json.values()
    return any(queue["jobCounts"][state] for queue in queues for state in ("active", "waiting"))


def first_day(place: Place) -> Iterator[Line]:
    """Line 18: all tenants upload at once, until the last photo has been worked on."""
    names = [f"day{number}" for number in range(FLEET)]
    inventory = place.inventory("days", {name: {"tenant_index": 591 + number} for number, name in enumerate(names)})
    place.ansible(inventory, "apply.yml")
    vaults = Vaults(inventory, place.work / "vault-password")
    lab = Lab.load(ROOT / ".lab" / lab_name() / "lab.json")
    clouds = {name: Cloud(lab, name) for name in names}
    looks: list[tuple[float, float]] = []
    end = time.monotonic() + DAY_SECONDS

    def look() -> None:
        looks.append(json.loads(place.python(LOOK, *names)))
        if time.monotonic() > end:
            raise BenchError(f"the photos of a first day are not worked on within {DAY_SECONDS} s")

    with concurrent.futures.ThreadPoolExecutor(FLEET) as pool:
        uploads = [
            pool.submit(_upload, cloud, f"{name}@example.ch", _password(vaults, inventory, name))
            for name, cloud in clouds.items()
        ]
        while not all(upload.done() for upload in uploads):
            look()
        for upload in uploads:
            upload.result()
        while any(_busy(cloud) for cloud in clouds.values()):
            look()
    look()
    told = f"{FLEET} tenants on their first day, {PHOTOS} photos each"
    yield Line("18", f"the most memory of {told}", "", (max(memory for memory, _kills in looks),), (), None, "MiB")
    yield Line("18b", f"kills for want of memory of {told}", "", (looks[-1][1],), (), 0, "kills")
    place.clean(inventory, *names)


def _password(vaults: Vaults, inventory: Path, name: str) -> str:
    return vaults.open(inventory / "host_vars" / name / "vault.yml")["admin_password"]


def lines(place: Place, rounds: int, wanted: frozenset[str]) -> Iterator[Line]:
    """What of this file is wanted."""
    if "17" in wanted:
        yield from template(place, min(rounds, 2))
    if "18" in wanted:
        yield from first_day(place)
