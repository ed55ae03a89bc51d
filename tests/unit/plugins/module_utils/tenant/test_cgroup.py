"""Memory, read from trees as kernels show them."""

import pytest
from ansible_collections.swissphoto.silo.plugins.module_utils.tenant.cgroup import Memory, memory

V1 = "4:memory:/docker/7f3a\n1:cpu:/docker/7f3a\n0::/\n"
V2 = "0::/system.slice/docker-7f3a.scope\n"


@pytest.fixture
def tree(tmp_path):
    def make(cgroup, folder, files):
        (tmp_path / "proc" / "42").mkdir(parents=True)
        (tmp_path / "proc" / "42" / "cgroup").write_text(cgroup)
        (tmp_path / "cgroup" / folder).mkdir(parents=True)
        for name, text in files.items():
            (tmp_path / "cgroup" / folder / name).write_text(text)
        return memory(42, tmp_path / "cgroup", tmp_path / "proc")

    return make


def test_version_1(tree):
    stat = "cache 60\ninactive_file 10\ntotal_cache 60\ntotal_inactive_file 50\n"
    files = {"memory.usage_in_bytes": "300\n", "memory.limit_in_bytes": "1073741824\n", "memory.stat": stat}
    assert tree(V1, "memory/docker/7f3a", files) == Memory(250, 1073741824)


def test_version_2(tree):
    files = {"memory.current": "300\n", "memory.max": "1073741824\n", "memory.stat": "anon 200\ninactive_file 50\n"}
    assert tree(V2, "system.slice/docker-7f3a.scope", files) == Memory(250, 1073741824)


def test_no_limit(tree):
    files = {"memory.current": "300\n", "memory.max": "max\n", "memory.stat": "anon 200\n"}
    assert tree(V2, "system.slice/docker-7f3a.scope", files) == Memory(300, 0)


def test_no_limit_in_version_1(tree):
    files = {"memory.usage_in_bytes": "300\n", "memory.limit_in_bytes": "9223372036854771712\n", "memory.stat": ""}
    assert tree(V1, "memory/docker/7f3a", files) == Memory(300, 0)


def test_a_process_that_has_ended_meanwhile_uses_nothing(tmp_path):
    assert memory(42, tmp_path, tmp_path) == Memory()
