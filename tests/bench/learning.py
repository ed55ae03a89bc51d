"""Line 16: how long a tenant waits for the shared machine learning while another one asks as much as it can."""

from __future__ import annotations

import json
from collections.abc import Iterator

from .line import Line, interleaved
from .place import Place

NUMBERS = ("16",)
# What a prediction takes, one after the other, as with one worker of the real service.
SECONDS = 0.1
JOBS = 50
# In a photo server's container: so many at once, again and again until the time is over; seconds of what was answered.
ASK = r"""
import concurrent.futures, http.client, json, sys, time
gateway, workers, seconds, count = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])
entries = json.dumps({"clip": {"textual": {"modelName": "ViT-B-32__openai"}}})
form = '--b\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n'
body = (form % ("entries", entries) + form % ("text", "a cat") + "--b--\r\n").encode()
end = time.monotonic() + seconds

def work(_number):
    found = []
    while time.monotonic() < end and len(found) < count:
        connection = http.client.HTTPConnection(gateway, 3003, timeout=60)
        start = time.monotonic()
        try:
            connection.request("POST", "/predict", body, {"Content-Type": "multipart/form-data; boundary=b"})
            answer = connection.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException):
            answer = None
        if answer and answer.status == 200:
            found.append(time.monotonic() - start)
        else:
            time.sleep(0.05)
    return found

with concurrent.futures.ThreadPoolExecutor(workers) as pool:
    print(json.dumps([one for found in pool.map(work, range(workers)) for one in found]))
"""
MEASURE = r"""
import json, statistics, subprocess, sys, time
ask, jobs = sys.argv[1], sys.argv[2]

def start(name, *arguments):
    inspect = ["docker", "network", "inspect", "--format", "{{(index .IPAM.Config 0).Gateway}}", f"silo-{name}_default"]
    gateway = subprocess.run(inspect, capture_output=True, text=True, check=True).stdout.strip()
    command = ["docker", "exec", f"silo-{name}-server-1", "python3", "-c", ask, gateway, *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

greedy = start("fair1", jobs, "15", "10000") if jobs != "0" else None
time.sleep(3 if greedy else 0)
found = json.loads(start("fair2", "1", "10", "8").communicate()[0])
assert len(found) == 8, found
assert greedy is None or greedy.poll() is None
print(statistics.median(found))
if greedy:
    greedy.wait()
"""


def lines(place: Place, rounds: int, wanted: frozenset[str]) -> Iterator[Line]:
    """What of this file is wanted."""
    if "16" not in wanted:
        return
    inventory = place.inventory("learning", {f"fair{number}": {"tenant_index": 580 + number} for number in (1, 2)})
    slow = {"machine_learning_environment": {"STAND_IN_SECONDS": str(SECONDS)}}
    place.ansible(inventory, "apply.yml")
    place.ansible(inventory, "site.yml", "--tags", "machine_learning", "-e", json.dumps(slow))

    def waited(jobs: int) -> float:
        return float(place.python(MEASURE, ASK, str(jobs)))

    try:
        busy, idle = interleaved(rounds, lambda: waited(JOBS), lambda: waited(0))
    finally:
        place.ansible(inventory, "site.yml", "--tags", "machine_learning")
        place.clean(inventory, "fair1", "fair2")
    told = f"a prediction for a tenant, while another has {JOBS} jobs at once"
    note = f"a stand-in that takes {SECONDS} s for each"
    yield Line("16", told, "the same while nobody else asks", busy, idle, 10, note=note)
