"""How many events a second the intake takes, each on disk before its answer, and how long Stripe waits for that.

`python -m tests.bench.intake [folder]` starts the real service over an inbox in the folder (else a temporary one: name
one on the disk that is to be measured) and posts signed events of the size of an invoice's, from 1, 8 and 32 senders.
"""

import concurrent.futures
import contextlib
import http.client
import itertools
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from stripe import WebhookSignature

from silo.billing.inbox import Inbox

SECRET = "whsec_ofThisBench1"
SENDERS = (1, 8, 32)
SECONDS = 5
# An event with an invoice of one line has about so many bytes.
FILLING = "x" * 4000


def _post(port: int, numbers: "itertools.count[int]", until: float) -> list[float]:
    """Post events one after the other on one connection; the seconds that each took."""
    took = []
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
        while time.monotonic() < until:
            number = next(numbers)
            about = {"subscription": f"sub_{number % 1000}", "filling": FILLING}
            event = {"id": f"evt_{number}", "type": "invoice.paid", "created": 1, "data": {"object": about}}
            text = json.dumps(event)
            headers = {"Stripe-Signature": WebhookSignature.generate_signature_header(text, SECRET)}
            start = time.monotonic()
            connection.request("POST", "/stripe/webhook", text, headers)
            answer = connection.getresponse()
            answer.read()
            took.append(time.monotonic() - start)
            if answer.status != 200:
                raise RuntimeError(f"answered with {answer.status}")
    return took


def _disk_seconds(folder: Path) -> float:
    """Return how long this disk takes for one write of 4 KiB that is on it, in the median."""
    took = []
    with (folder / "probe").open("wb") as file:
        for _ in range(100):
            start = time.monotonic()
            file.write(b"x" * 4096)
            file.flush()
            os.fsync(file.fileno())
            took.append(time.monotonic() - start)
    return statistics.median(took)


def _start(folder: Path) -> tuple[subprocess.Popen[bytes], int]:
    secrets = folder / "secrets"
    secrets.touch(0o600)
    secrets.write_text(SECRET)
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    silo = str(Path(sys.executable).with_name("silo"))
    process = subprocess.Popen(
        [silo, "serve", "intake", "--inbox", str(folder / "inbox.db"), "--port", str(port)],
        env={**os.environ, "SILO_STRIPE_WEBHOOK_SECRETS_FILE": str(secrets)},
    )
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return process, port
        time.sleep(0.05)
    process.kill()
    raise RuntimeError("the intake does not listen")


def main() -> int:
    """Print a line for each number of senders, and the same as JSON; the exit code."""
    found: dict[str, object] = {}
    numbers = itertools.count()
    with tempfile.TemporaryDirectory(dir=sys.argv[1] if sys.argv[1:] else None) as scratch:
        folder = Path(scratch)
        print(f"a write to this disk: {_disk_seconds(folder) * 1000:.2f} ms")
        process, port = _start(folder)
        try:
            posted = 0
            for senders in SENDERS:
                start = time.monotonic()
                with concurrent.futures.ThreadPoolExecutor(senders) as pool:
                    jobs = [pool.submit(_post, port, numbers, start + SECONDS) for _ in range(senders)]
                    took = [seconds for job in jobs for seconds in job.result()]
                spent = time.monotonic() - start
                posted += len(took)
                hundredths = statistics.quantiles(took, n=100)
                one = {"per_second": len(took) / spent, "p50": hundredths[49], "p99": hundredths[98]}
                found[str(senders)] = one
                print(
                    f"{senders:2} senders: {one['per_second']:.0f} events/s, half of them within"
                    f" {one['p50'] * 1000:.1f} ms, 99 of 100 within {one['p99'] * 1000:.1f} ms"
                )
            status = Path(f"/proc/{process.pid}/status").read_text().split()
            found["peak_kib"] = peak = int(status[status.index("VmHWM:") + 1])
        finally:
            process.terminate()
            process.wait()
        kept = Inbox(folder / "inbox.db").tally().counts["new"]
        print(f"{kept} of {posted} events are in the inbox; the service took {peak / 1024:.0f} MiB")
    print(json.dumps(found))
    return 0 if kept == posted else 1


if __name__ == "__main__":
    sys.exit(main())
