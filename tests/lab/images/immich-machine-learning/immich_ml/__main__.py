"""Starts the service in a process of its own and ends with it, as the real one starts its web server."""

import subprocess
import sys


def main() -> int:
    """The exit code of the service. A signal ends this process at once, and the container with it."""
    with subprocess.Popen(("python", "-m", "immich_ml.service")) as service:
        return service.wait()


if __name__ == "__main__":
    sys.exit(main())
