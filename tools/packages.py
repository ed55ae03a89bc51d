"""Installs this project with all that it needs into the Python environment that runs this file.

With the argument `tests`, also what its tests need, which a controller of customers does without.

uv does it in a fraction of pip's time, but does not read pip's settings: it gets those that it understands from here.
Where there are others, or where uv fails, pip does it.
"""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence

PIP = (sys.executable, "-m", "pip")
PINNED = ("--constraint", "constraints.txt")
# The extras of pyproject.toml, by the argument.
PROJECTS = {"": ".", "tests": ".[dev]"}
# Sections of pip's settings, of which a later one wins.
SECTIONS = ("global", "install", ":env:")
# Settings of pip and the variable by which uv knows each.
VARIABLES = {"index-url": "UV_DEFAULT_INDEX", "cert": "SSL_CERT_FILE"}
# Settings that change nothing of where packages come from. Every version is pinned, so more indexes add none.
HARMLESS = {
    *("default-timeout", "timeout", "retries", "disable-pip-version-check", "no-input", "progress-bar", "quiet"),
    *("extra-index-url", "find-links", "constraint", "break-system-packages", "no-cache-dir", "cache-dir"),
    *("prefer-binary", "root-user-action", "require-virtualenv", "no-warn-script-location", "trusted-host"),
}
SECONDS_BETWEEN_SIGNS = 10


def pip_settings(listed: str) -> dict[str, str]:
    """Read what `pip config list` prints: the settings that count for `pip install`, by name."""
    found: dict[str, dict[str, str]] = {section: {} for section in SECTIONS}
    for line in listed.splitlines():
        key, _equals, value = line.partition("=")
        section, _dot, name = key.rpartition(".")
        if section in found:
            found[section][name] = str(ast.literal_eval(value))
    return {name: value for section in SECTIONS for name, value in found[section].items()}


def uv_environment(settings: Mapping[str, str]) -> dict[str, str] | None:
    """Return what uv has to know of pip's settings; None where it cannot be told."""
    if settings.keys() - VARIABLES.keys() - HARMLESS:
        return None
    return {VARIABLES[name]: value for name, value in settings.items() if name in VARIABLES}


def run(what: str, command: Sequence[str], environment: Mapping[str, str] | None = None) -> bool:
    """Run a command to its end, with a line at its end and a sign of life while it lasts; whether it succeeded."""
    started = time.monotonic()
    print(f"setup  {what} ...", flush=True)
    with subprocess.Popen(command, env={**os.environ, **(environment or {})}) as process:
        while True:
            try:
                code = process.wait(SECONDS_BETWEEN_SIGNS)
                break
            except subprocess.TimeoutExpired:
                print(f"setup  {what} ... {time.monotonic() - started:.0f} s so far", flush=True)
    outcome = f"failed with code {code}" if code else "installed"
    print(f"setup  {what} ... {outcome} ({time.monotonic() - started:.0f} s)", flush=True)
    return code == 0


def main(purpose: str = "") -> int:
    """Install; return the exit code."""
    wanted = (*PINNED, "--editable", PROJECTS[purpose])
    listed = subprocess.run([*PIP, "config", "list"], check=True, capture_output=True, text=True).stdout
    environment = uv_environment(pip_settings(listed))
    pip = (*PIP, "install", "--quiet", "--disable-pip-version-check")
    if environment is not None and run("uv", [*pip, *PINNED, "uv"]):
        uv = (sys.executable, "-m", "uv", "pip", "install", "--quiet", "--python", sys.executable)
        if run("Python packages, by uv", [*uv, *wanted], environment):
            return 0
    return 0 if run("Python packages, by pip", [*pip, *wanted]) else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
