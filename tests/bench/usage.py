"""What a look at all tenants costs, against `docker stats --no-stream`, in one run on a lab's server.

Run it on a lab that has been made: `SILO_LAB_FILE=.lab/silo-lab/lab.json python -m tests.bench.usage`. Containers that
sleep stand for tenants where there are more than the lab has; they are gone afterwards.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

COUNTS = (45, 150)
ROUNDS = 5
LABEL = "ch.swissphoto.silo.bench"
FILL = r"""
one=$(docker ps -q --filter label=ch.swissphoto.silo.service=cache | head -1)
image=$(docker inspect --format '{{.Config.Image}}' "$one")
there=$(docker ps -q --filter label=ch.swissphoto.silo.tenant | wc -l)
while [ "$there" -lt "$1" ]; do
  there=$((there + 1))
  docker run -d --name "silo-bench$there-cache-1" --network none --memory 64m --entrypoint sleep \
    --label ch.swissphoto.silo.bench --label "ch.swissphoto.silo.tenant=bench$there" \
    --label ch.swissphoto.silo.service=cache "$image" 3600 >/dev/null
done
"""
EMPTY = f"docker ps -aq --filter label={LABEL} | xargs -r docker rm -f >/dev/null"
MEASURE = """
import json, resource, statistics, subprocess, sys, time
from pathlib import Path

sys.path.insert(0, "/usr/local/lib/silo/accounting.pyz")
from ansible_collections.swissphoto.silo.plugins.module_utils.usage import survey

def seconds(work):
    start = time.monotonic()
    work()
    return time.monotonic() - start

ours, theirs = [], []
for _ in range(int(sys.argv[1])):
    ours.append(seconds(lambda: survey.read(Path("/srv/silo/tenants"), 0, 5, databases=False)))
    theirs.append(seconds(lambda: subprocess.run(["docker", "stats", "--no-stream"], stdout=subprocess.DEVNULL)))
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps({"look": statistics.median(ours), "docker_stats": statistics.median(theirs), "peak_kib": peak}))
"""


def main() -> int:
    """Print a line for each number of containers, and the same as JSON; the exit code."""
    container = json.loads(Path(os.environ["SILO_LAB_FILE"]).read_text())["container"]

    def on_server(*command: str) -> str:
        command = ("docker", "exec", container, *command)
        return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, timeout=600).stdout

    found = {}
    try:
        for count in COUNTS:
            on_server("sh", "-euc", FILL, "sh", str(count))
            found[count] = one = json.loads(on_server("python3", "-c", MEASURE, str(ROUNDS)))
            print(
                f"{count} containers: a look {one['look']:.3f} s, docker stats {one['docker_stats']:.3f} s,"
                f" 1/{one['docker_stats'] / one['look']:.0f} of it; {one['peak_kib'] / 1024:.0f} MiB at most"
            )
    finally:
        on_server("sh", "-euc", EMPTY)
    print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
