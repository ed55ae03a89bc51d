"""Limits, read from control groups of both versions."""

import pytest
from ansible_collections.swissphoto.silo.plugins.module_utils.diagnostics import limits
from ansible_collections.swissphoto.silo.plugins.module_utils.diagnostics.limits import Limits

GIB = 1024**3
V1 = "7:pids:/docker/1\n5:memory:/docker/1\n0::/\n"
V2 = "0::/docker-1.scope\n"
NO_LIMIT_OF_V1 = "9223372036854771712"


@pytest.fixture
def read(tmp_path):
    def of(places, **files):
        (tmp_path / "proc" / "42").mkdir(parents=True)
        (tmp_path / "proc" / "42" / "cgroup").write_text(places)
        for name, text in files.items():
            controller, _, file = name.partition("_")
            folder = tmp_path / "cgroup" / (f"{controller}/docker/1" if places == V1 else "docker-1.scope")
            folder.mkdir(parents=True, exist_ok=True)
            (folder / file.replace("__", ".")).write_text(f"{text}\n")
        return limits.read(42, tmp_path / "cgroup", tmp_path / "proc")

    return of


def test_version_2(read):
    found = read(V2, v2_memory__max=GIB, v2_memory__swap__max=0, v2_pids__max=64)
    assert found == Limits(GIB, 0, 64)


def test_version_2_without_limits(read):
    found = read(V2, v2_memory__max="max", v2_memory__swap__max="max", v2_pids__max="max")
    assert found == Limits(None, None, None)


def test_version_1(read):
    found = read(V1, memory_memory__limit_in_bytes=GIB, memory_memory__memsw__limit_in_bytes=GIB, pids_pids__max=64)
    assert found == Limits(GIB, 0, 64)


def test_version_1_with_swap(read):
    found = read(V1, memory_memory__limit_in_bytes=GIB, memory_memory__memsw__limit_in_bytes=2 * GIB)
    assert found == Limits(GIB, GIB, None)


def test_version_1_without_limits(read):
    text = NO_LIMIT_OF_V1
    found = read(
        V1, memory_memory__limit_in_bytes=text, memory_memory__memsw__limit_in_bytes=text, pids_pids__max="max"
    )
    assert found == Limits(None, None, None)


def test_the_kernel_counts_in_pages():
    assert limits.whole_pages(GIB) == GIB
    assert limits.whole_pages(GIB + 1) == GIB


@pytest.mark.parametrize(("lines", "swaps"), [(1, False), (2, True)])
def test_whether_a_host_swaps(tmp_path, lines, swaps):
    (tmp_path / "swaps").write_text("\n".join(["Filename\tType", "/dev/sda2\tpartition"][:lines]) + "\n")
    assert limits.has_swap(tmp_path) is swaps


def test_a_host_that_does_not_tell_may_swap(tmp_path):
    assert limits.has_swap(tmp_path)
