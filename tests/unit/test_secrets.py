"""The gate that looks for secrets finds one, and lets a file without any pass."""

import os
import random
import shutil
import string
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def gate(tmp_path):
    """The gate in a repository of its own; its code, for a file of one line."""
    (tmp_path / "tools").mkdir()
    shutil.copy(ROOT / "tools" / "secrets", tmp_path / "tools")
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)

    def of(line):
        (tmp_path / "settings.yml").write_text(f"{line}\n")
        subprocess.run(["git", "-C", tmp_path, "add", "."], check=True)
        return subprocess.run(
            [tmp_path / "tools" / "secrets"], env=os.environ, capture_output=True, check=False
        ).returncode

    return of


def test_a_key_of_a_service_does_not_pass(gate):
    # Made here, so that none stands in this file.
    letters = random.Random(1).choices(string.ascii_letters + string.digits, k=30)
    key = "".join(("sk", "_live_", *letters))
    assert gate(f"stripe_key: {key}")
    assert not gate("stripe_key: none of this file's business")
    assert not gate(f"stripe_key: {key}  # pragma: allowlist secret")
