"""Finds changed files, and whether storage or recovery changed since the virtual machines tested them."""

from __future__ import annotations

import hashlib
import json
import subprocess
import textwrap
import time
from collections.abc import Sequence
from pathlib import Path

# The sources that only virtual machines can test: quotas of XFS, NFS, power cuts, and a server that boots without its
# NAS. What these share with other code is tested on the labs, whose file system is btrfs.
STORAGE = (
    "plugins/module_utils/quota",
    "plugins/modules/storage_quota.py",
    "plugins/modules/storage_quota_info.py",
    "plugins/modules/storage_trash.py",
    "roles/host/tasks/storage.yml",
    "roles/filesystem",
    "roles/nas",
    "roles/recovery",
    "server/silo_recovery.py",
    "tests/integration",
    "tests/lab/vm",
    "tests/vm",
)
# The hash of the sources that passed last. A run that has tested them writes it; commit it with the sources.
PROVED = Path("tests/vm/proved.json")
# The part that tests them.
TESTED_BY = "storage"


def files(root: Path) -> list[str]:
    """Return the files that differ from the last commit; if none does, those of the last commit."""
    changed = _git(root, "diff", "--name-only", "--diff-filter=d", "HEAD")
    changed += _git(root, "ls-files", "--others", "--exclude-standard")
    return changed or _git(root, "show", "--name-only", "--format=", "--diff-filter=d", "HEAD")


def storage(root: Path) -> bool:
    """Return whether storage or recovery changed since the virtual machines tested them."""
    try:
        known = json.loads((root / PROVED).read_text(encoding="utf-8"))["sources"]
    except (OSError, ValueError, KeyError):
        return True
    return bool(known != _hash(root))


def prove(root: Path, passed: Sequence[str]) -> None:
    """Record that the virtual machines have tested the current sources, if this run did and the record is old."""
    if TESTED_BY in passed and storage(root):
        text = json.dumps({"sources": _hash(root), "when": time.strftime("%Y-%m-%d")}, indent=2)
        (root / PROVED).write_text(text + "\n", encoding="utf-8")
        print(f"test: {PROVED} now records that these sources of storage passed; commit it")


def _hash(root: Path) -> str:
    summary = hashlib.sha256()
    for name in sorted(_git(root, "ls-files", "--cached", "--others", "--exclude-standard", "--", *STORAGE)):
        path = root / name
        if path.is_file() and Path(name) != PROVED:
            summary.update(f"{name}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\0".encode())
    # In groups, as one run of 64 digits looks like a secret to the gate that searches for secrets.
    return "-".join(textwrap.wrap(summary.hexdigest(), 8))


def _git(root: Path, *arguments: str) -> list[str]:
    ended = subprocess.run(("git", *arguments), cwd=root, capture_output=True, text=True, check=True)
    return ended.stdout.splitlines()
