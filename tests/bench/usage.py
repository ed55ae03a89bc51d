"""A look at all tenants beside `docker stats --no-stream`, in one process on a server.

Containers that sleep stand for tenants where there are more than the server has; they are gone afterwards.
"""

from __future__ import annotations

import json
import typing as t

LABEL = "ch.swissphoto.silo.bench"
FILL = r"""
image=$(docker inspect --format '{{.Config.Image}}' silo-pages-pages-1)
there=$(docker ps -q --filter label=ch.swissphoto.silo.tenant | wc -l)
while [ "$there" -lt "$1" ]; do
  there=$((there + 1))
  docker run -d --name "silo-bench$there-cache-1" --network none --memory 64m --no-healthcheck --entrypoint sleep \
    --label ch.swissphoto.silo.bench --label "ch.swissphoto.silo.tenant=bench$there" \
    --label ch.swissphoto.silo.service=cache "$image" 3600 >/dev/null
done
"""
EMPTY = f"docker ps -aq --filter label={LABEL} | xargs -r docker rm -f >/dev/null"
# Before a program on the server that measures ours and theirs in turn.
IN_TURN = """
import json, subprocess, sys, time
from pathlib import Path

sys.path.insert(0, "/usr/local/lib/silo/accounting.pyz")

def seconds(work):
    start = time.monotonic()
    work()
    return time.monotonic() - start

ours, theirs = [], []
"""
MEASURE = f"""{IN_TURN}
from ansible_collections.swissphoto.silo.plugins.module_utils.usage import collector

for _ in range(int(sys.argv[1])):
    ours.append(seconds(lambda: collector.read(Path("/srv/silo/tenants"), 0, 5, databases=False)))
    theirs.append(seconds(lambda: subprocess.run(["docker", "stats", "--no-stream"], stdout=subprocess.DEVNULL)))
print(json.dumps([ours, theirs]))
"""


Seconds = tuple[float, ...]


def measure(shell: t.Callable[..., str], python: t.Callable[..., str], count: int, rounds: int) -> tuple[Seconds, ...]:
    """The seconds of ours and of theirs with so many containers, in turn."""
    try:
        shell(FILL, str(count))
        ours, theirs = json.loads(python(MEASURE, str(rounds)))
    finally:
        shell(EMPTY)
    return tuple(ours), tuple(theirs)
