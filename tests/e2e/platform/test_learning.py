"""The shared machine learning: one tenant's work does not starve another's, and what it missed is done by itself."""

import concurrent.futures
import json
import statistics
import time

import pytest

from ..cloud import picture
from ..waiting import wait_for

BOUND, WORKERS, SECONDS = 8, 50, 0.1
# Predictions from inside a silo, as its photo server would ask, so many at once and each of them so often.
ASK = """
import concurrent.futures, http.client, json, sys, time
wanted = json.load(sys.stdin)
entries = json.dumps({"clip": {"textual": {"modelName": "ViT-B-32__openai"}}})
parts = "".join(
    f'--b\\r\\nContent-Disposition: form-data; name="{key}"\\r\\n\\r\\n{value}\\r\\n'
    for key, value in (("entries", entries), ("text", "a cat"))
)
body = (parts + "--b--\\r\\n").encode()

def work(number):
    found = []
    for _ in range(wanted["times"]):
        connection = http.client.HTTPConnection(wanted["gateway"], 3003, timeout=120)
        begun = time.monotonic()
        headers = {"Content-Type": "multipart/form-data; boundary=b", "X-Forwarded-For": f"10.0.0.{number}"}
        # A Host of one's own makes nobody another.
        headers["Host"] = f"another{number}" if wanted["forge"] else wanted["gateway"]
        connection.request("POST", "/predict", body, headers)
        response = connection.getresponse()
        response.read()
        found.append((response.status, time.monotonic() - begun))
        connection.close()
    return found

with concurrent.futures.ThreadPoolExecutor(wanted["workers"]) as pool:
    answers = [answer for answers in pool.map(work, range(wanted["workers"])) for answer in answers]
print(json.dumps(answers))
"""
SLOW = {"STAND_IN_SECONDS": str(SECONDS)}
MISSING = 'SELECT count(*) FROM "asset" a LEFT JOIN "smart_search" s ON s."assetId" = a."id" WHERE s."assetId" IS NULL'


@pytest.fixture
def slow(operator):
    """Each prediction takes a tenth of a second, one after the other."""
    arguments = ("site.yml", "--tags", "machine_learning", "-e")
    operator.run(*arguments, json.dumps({"machine_learning_environment": SLOW}))
    yield
    operator.run(*arguments, json.dumps({"machine_learning_environment": {}}))


@pytest.fixture
def ask(lab):
    """The status and the seconds of each request of a tenant's photo server."""

    def of(name, workers=1, times=1, *, forge=False):
        wanted = {"gateway": lab.gateway(name), "workers": workers, "times": times, "forge": forge}
        command = ("docker", "exec", "-i", f"silo-{name}-server-1", "python3", "-c", ASK)
        return json.loads(lab.run(*command, text=json.dumps(wanted)))

    return of


@pytest.fixture
def aside():
    """Something done meanwhile."""
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        yield pool.submit


@pytest.mark.slow("fairness measures the same of fourteen others")
@pytest.mark.needs_property("models", "duration", "python")
@pytest.mark.fault(10)
@pytest.mark.usefixtures("slow")
def test_fifty_jobs_of_one_tenant_do_not_starve_another(lab, ask, aside, seen):
    idle = statistics.median(seconds for _status, seconds in ask("maria", times=5))
    greedy = aside(lambda: ask("hans", WORKERS, times=12, forge=True))
    wait_for(lambda: lab.run("ss", "-Htn", "state", "established", "dport", "=", ":3003"))
    meanwhile = ask("maria", times=10)
    # Each of hers waits for those of his that are in before it, which are as many as he may have, and not fifty.
    assert not greedy.done()
    assert {status for status, _seconds in meanwhile} == {200}
    his = [status for status, _seconds in greedy.result()]
    assert set(his) == {200, 429}
    assert his.count(200) >= BOUND
    waits = statistics.median(seconds for _status, seconds in meanwhile)
    seen(f"{len(his)} requests of one; each of {len(meanwhile)} of another in {waits:.2f} s, else {idle:.2f}")


@pytest.mark.needs_property("models", "failed-jobs")
@pytest.mark.fault(11)
def test_what_was_missed_is_done_when_the_service_is_back(lab, customer, seen):
    cloud = customer("maria")
    # Who loses something again and again waits longer each time, and the tests before have taken much away.
    lab.run("rm", "-f", "/var/lib/silo-catch-up/known.json")
    lab.run("systemctl", "start", "silo-catch-up.service")
    wait_for(lambda: lab.psql("maria", MISSING) == "0")
    begun = lab.run("date", "+%s").strip()
    lab.run("docker", "stop", "silo-machine-learning-machine-learning-1")
    try:
        answer = cloud.upload(picture())
        assert answer.status == 201
        asset = answer.json["id"]
        wait_for(lambda: cloud.get("/api/jobs").json["smartSearch"]["jobCounts"]["failed"])
        assert lab.psql("maria", MISSING) == "1"
        # Nobody is told while it is away.
        lab.run("systemctl", "start", "silo-catch-up.service")
        assert lab.psql("maria", MISSING) == "1"
    finally:
        lab.run("docker", "start", "silo-machine-learning-machine-learning-1")
    # From here on nobody does anything; after a run that was just now, the next waits for a minute.
    back = time.monotonic()
    wait_for(lambda: lab.psql("maria", MISSING) == "0", seconds=120)
    seen(f"the upload was taken, and is done {time.monotonic() - back:.0f} s after the service is back")
    said = lab.run("journalctl", "--quiet", "--output=cat", "--unit=silo-catch-up.service", f"--since=@{begun}")
    assert "maria: started the jobs that the machine learning missed" in said
    # The key is gone, and was nobody's.
    wait_for(lambda: lab.psql("maria", 'SELECT count(*) FROM "api_key"') == "0")
    assert cloud.delete(asset).status == 204
