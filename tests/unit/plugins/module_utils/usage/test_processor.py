"""CPU time, read from trees as kernels show them."""

import pytest
from ansible_collections.swissphoto.silo.plugins.module_utils.usage.processor import cpu_seconds

V1 = "4:memory:/docker/7f3a\n3:cpu,cpuacct:/docker/7f3a\n0::/\n"
V2 = "0::/system.slice/docker-7f3a.scope\n"


@pytest.fixture
def tree(tmp_path):
    def make(cgroup, file, text):
        (tmp_path / "proc" / "42").mkdir(parents=True)
        (tmp_path / "proc" / "42" / "cgroup").write_text(cgroup)
        path = tmp_path / "cgroup" / file
        path.parent.mkdir(parents=True)
        path.write_text(text)
        return cpu_seconds(42, tmp_path / "cgroup", tmp_path / "proc")

    return make


def test_version_1(tree):
    assert tree(V1, "cpuacct/docker/7f3a/cpuacct.usage", "12345678901\n") == 12.345678901


def test_version_2(tree):
    text = "usage_usec 12345678\nuser_usec 12000000\nsystem_usec 345678\n"
    assert tree(V2, "system.slice/docker-7f3a.scope/cpu.stat", text) == 12.345678


@pytest.mark.parametrize("text", ["", "user_usec 1\n", "usage_usec many\n"])
def test_what_is_not_told_is_unknown(tree, text):
    with_number = tree(V2, "system.slice/docker-7f3a.scope/cpu.stat", text) if text[-5:] != "usec\n" else None
    assert with_number is None


def test_a_process_that_has_ended_meanwhile_is_unknown(tmp_path):
    assert cpu_seconds(42, tmp_path, tmp_path) is None
