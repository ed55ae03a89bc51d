"""Lines 11 and 12: what two hundred routes cost a request, and how soon a new one answers."""

from __future__ import annotations

from collections.abc import Iterator

from .line import Line, interleaved
from .stubs import NOTE, Stubs

NUMBERS = ("11", "12")
REQUESTS = 4000
ROUTES = "/srv/silo/traefik/routes"
# Requests over one connection, from the server itself; the median, in seconds.
LATENCY = """
import http.client, ssl, statistics, sys, time
host, count = sys.argv[1], int(sys.argv[2])
context = ssl._create_unverified_context()
connection = http.client.HTTPSConnection("127.0.0.1", 443, context=context, timeout=30)
found = []
for _ in range(count):
    start = time.perf_counter()
    connection.request("GET", "/api/server/ping", headers={"Host": host})
    answer = connection.getresponse()
    answer.read()
    found.append(time.perf_counter() - start)
    assert answer.status == 200, answer.status
print(statistics.median(found[count // 10:]))
"""
# Each file is a change, and for each Traefik reads all; it is done with them when it rests.
RESTS = """
pid=$(ps -C traefik -o pid= | head -1)
used() { awk '{print $14 + $15}' "/proc/$((pid))/stat"; }
before=-1000
until after=$(used); [ $((after - before)) -le 5 ]; do before=$after; sleep 1; done
"""
# All routes but one go aside, or come back.
ASIDE = f"""
mkdir -p /run/bench-routes
for file in {ROUTES}/tenant-*.yml; do
  [ "$file" = {ROUTES}/tenant-stub1.yml ] || mv "$file" /run/bench-routes/
done
{RESTS}
"""
BACK = f"""
if [ -d /run/bench-routes ]; then find /run/bench-routes -name 'tenant-*.yml' -exec mv -t {ROUTES} {{}} +; fi
{RESTS}
"""
# A route like any other, of a name that nobody has; written as routes are, and asked for until it answers.
ARRIVAL = """
import http.client, os, ssl, sys, time
folder, like, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
text = open(f"{folder}/tenant-{like}.yml").read()
context = ssl._create_unverified_context()

def answers(host):
    connection = http.client.HTTPSConnection("127.0.0.1", 443, context=context, timeout=10)
    connection.request("GET", "/api/server/ping", headers={"Host": host})
    status = connection.getresponse().status
    connection.close()
    return status == 200

domain = text.split(f"Host(`{like}.", 1)[1].split("`", 1)[0]
names = [f"bench{number}" for number in range(count)]
assert not any(answers(f"{name}.{domain}") for name in names)
start = time.monotonic()
for name in names:
    # No certificate is asked for: what an authority takes is not the route's.
    mine = text.replace(f"tenant-{like}", f"tenant-{name}").replace(f"`{like}.", f"`{name}.")
    mine = mine.replace("certResolver: acme", "options: default")
    with open(f"{folder}/../.{name}.tmp", "w") as file:
        file.write(mine)
        file.flush()
        os.fsync(file.fileno())
    os.rename(f"{folder}/../.{name}.tmp", f"{folder}/tenant-{name}.yml")
written = time.monotonic()
for name in names:
    while not answers(f"{name}.{domain}"):
        time.sleep(0.005)
        assert time.monotonic() < start + 60, name
print(time.monotonic() - (start if count > 1 else written))
for name in names:
    os.unlink(f"{folder}/tenant-{name}.yml")
"""


def requests(stubs: Stubs, rounds: int) -> Iterator[Line]:
    """Line 11: the same tenant, among two hundred routes and alone."""
    stubs.grow(200)
    place = stubs.place
    host = f"stub1.{place.lab['domain']}"

    def asked(before: str) -> float:
        place.shell(before)
        return float(place.python(LATENCY, host, str(REQUESTS)))

    try:
        many, one = interleaved(rounds, lambda: asked(BACK), lambda: asked(ASIDE))
    finally:
        place.shell(BACK)
    told = "a request through Traefik, 200 tenants' routes"
    yield Line("11", told, "the same with 1 route", many, one, 1.1, note=NOTE)


def arrival(stubs: Stubs, rounds: int) -> Iterator[Line]:
    """Line 12: a new route, and twenty at once."""
    stubs.grow(200)

    def seconds(count: int) -> float:
        stubs.place.shell(RESTS)
        return float(stubs.place.python(ARRIVAL, ROUTES, "stub1", str(count)))

    one, burst = interleaved(rounds, lambda: seconds(1), lambda: seconds(20))
    yield Line("12", "a new route answers, 200 tenants, after its file is written", "", one, (), 0.5, note=NOTE)
    yield Line("12", "20 new routes answer, after the first file", "", burst, (), 2.5, note=NOTE)
