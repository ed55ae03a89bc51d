"""What runs before the Python environment is there."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]


def test_it_needs_the_standard_library_alone():
    done = subprocess.run(
        [sys.executable, "-S", "-c", "import tests.lab.prepare"], cwd=ROOT, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
