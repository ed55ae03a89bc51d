"""A program of several files as one: what is in it, that it runs, and that the same files are the same bytes."""

import os
import subprocess
import sys

import pytest
from ansible_collections.swissphoto.silo.plugins.action.zipapp import gather, pack


@pytest.fixture
def sources(tmp_path):
    program = tmp_path / "program"
    program.mkdir()
    (program / "__main__.py").write_text("from deep.shared.word import WORD\nprint(WORD)\n")
    (program / "notes.txt").write_text("no part of it")
    shared = tmp_path / "shared"
    shared.mkdir()
    (shared / "word.py").write_text("WORD = 'heard'\n")
    return {"program": str(program), "deep/shared": str(shared)}


def test_it_runs_with_nothing_but_python(sources, tmp_path):
    packed = tmp_path / "program.pyz"
    packed.write_bytes(pack(gather(sources), "program"))
    done = subprocess.run([sys.executable, "-I", packed], capture_output=True, text=True, check=True, timeout=30)
    assert done.stdout == "heard\n"


def test_only_python_is_taken_and_every_package_is_one(sources):
    assert gather(sources) == {
        "deep/__init__.py": b"",
        "deep/shared/__init__.py": b"",
        "deep/shared/word.py": b"WORD = 'heard'\n",
        "program/__init__.py": b"",
        "program/__main__.py": b"from deep.shared.word import WORD\nprint(WORD)\n",
    }


def test_the_same_files_are_the_same_bytes(sources, tmp_path):
    first = pack(gather(sources), "program")
    for path in tmp_path.rglob("*.py"):
        os.utime(path, (1, 1))
    assert pack(gather(dict(reversed(sources.items()))), "program") == first


def test_what_is_not_there_is_named(sources, tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        gather({**sources, "other": str(tmp_path / "nowhere")})
