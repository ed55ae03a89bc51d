"""Control groups of both versions, read from trees as kernels show them, and from broken ones."""

import pytest
from ansible_collections.swissphoto.silo.plugins.module_utils.common.cgroup import Group, Network, network, read
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

OF_V1 = "7:pids:/docker/7f3a\n5:memory:/docker/7f3a\n4:cpu,cpuacct:/docker/7f3a\n3:blkio:/docker/7f3a\n0::/\n"
OF_V2 = "0::/system.slice/docker-7f3a.scope\n"
V1 = {
    "memory/docker/7f3a/memory.usage_in_bytes": "300\n",
    "memory/docker/7f3a/memory.limit_in_bytes": "1073741824\n",
    "memory/docker/7f3a/memory.stat": "cache 60\nrss 1\ninactive_file 10\ntotal_rss 200\ntotal_inactive_file 50\n",
    "memory/docker/7f3a/memory.failcnt": "7\n",
    "memory/docker/7f3a/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n",
    "cpu,cpuacct/docker/7f3a/cpuacct.usage": "1\n",
    "cpuacct/docker/7f3a/cpuacct.usage": "12345678901\n",
    "blkio/docker/7f3a/blkio.throttle.io_service_bytes": (
        "8:0 Read 4096\n8:0 Write 8192\n8:0 Sync 4096\n8:16 Read 1\n8:16 Write 2\nTotal 12291\n"
    ),
    "pids/docker/7f3a/pids.current": "23\n",
}
GROUP = "system.slice/docker-7f3a.scope"
V2 = {
    f"{GROUP}/memory.current": "300\n",
    f"{GROUP}/memory.max": "1073741824\n",
    f"{GROUP}/memory.stat": "anon 200\nfile 90\ninactive_anon 3\ninactive_file 50\n",
    f"{GROUP}/memory.events": "low 0\nhigh 0\nmax 7\noom 3\noom_kill 2\noom_group_kill 0\n",
    f"{GROUP}/cpu.stat": "usage_usec 12345678\nuser_usec 12000000\nsystem_usec 345678\n",
    f"{GROUP}/io.stat": "8:0 rbytes=4096 wbytes=8192 rios=1 wios=2 dbytes=0 dios=0\n8:16 rbytes=1 wbytes=2 rios=1\n",
    f"{GROUP}/pids.current": "23\n",
}
DEV = """Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo:    9000      90    0    0    0     0          0         0     9000      90    0    0    0     0       0          0
  eth0: 1234567    1000    0    0    0     0          0         0  7654321    2000    0    0    0     0       0          0
"""  # noqa: E501


@pytest.fixture
def tree(tmp_path):
    def make(of, files):
        (tmp_path / "proc" / "42" / "net").mkdir(parents=True, exist_ok=True)
        (tmp_path / "proc" / "42" / "cgroup").write_text(of)
        for name, text in files.items():
            path = tmp_path / "cgroup" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return read(42, tmp_path / "cgroup", tmp_path / "proc")

    return make


@pytest.mark.parametrize(("of", "files", "cpu"), [(OF_V1, V1, 12.345678901), (OF_V2, V2, 12.345678)], ids=["v1", "v2"])
def test_both_versions_tell_the_same(tree, of, files, cpu):
    found = tree(of, files)
    assert found == Group(250, 200, 1073741824, 7, 2, cpu, 4097, 8194, 23, at=found.at, inode=found.inode)


@pytest.mark.parametrize(
    ("of", "files", "name", "text"),
    [
        (OF_V1, V1, "memory/docker/7f3a/memory.limit_in_bytes", "9223372036854771712\n"),
        (OF_V2, V2, f"{GROUP}/memory.max", "max\n"),
    ],
)
def test_no_limit(tree, of, files, name, text):
    assert tree(of, files | {name: text}).memory_limit_bytes == 0


@pytest.mark.parametrize(
    ("of", "files"),
    [
        (OF_V1, {name: text for name, text in V1.items() if "memory.usage" in name}),
        (OF_V2, {name: text for name, text in V2.items() if "memory.current" in name}),
    ],
)
def test_what_is_not_told_is_unknown(tree, of, files):
    found = tree(of, files)
    assert (found.memory_bytes, found.memory_limit_bytes) == (300, 0)
    assert (found.cpu_seconds, found.memory_limit_events, found.oom_kills, found.processes) == (None,) * 4


@pytest.mark.parametrize("of", [OF_V1, OF_V2, "", "7:pids:/docker/7f3a\n"])
def test_a_group_that_is_gone_meanwhile_is_no_error(tree, of):
    assert tree(of, {}) is None


def test_a_process_that_has_ended_meanwhile_is_no_error(tmp_path):
    assert read(42, tmp_path, tmp_path) is None
    assert network(42, tmp_path) == Network()


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(sorted(V2)), st.text(max_size=60))
def test_whatever_a_file_says_it_is_a_number_or_unknown(tree, name, text):
    found = tree(OF_V2, V2 | {name: text})
    assert found is None or found.memory_bytes >= 0


def test_what_went_over_the_network_but_not_within(tmp_path):
    (tmp_path / "42" / "net").mkdir(parents=True)
    (tmp_path / "42" / "net" / "dev").write_text(DEV)
    assert network(42, tmp_path) == Network(1234567, 7654321)


@pytest.mark.parametrize("text", ["", "eth0", "eth0: 1 2 3", "lo: " + "1 " * 16])
def test_a_network_that_tells_nothing_is_unknown(tmp_path, text):
    (tmp_path / "42" / "net").mkdir(parents=True)
    (tmp_path / "42" / "net" / "dev").write_text(text)
    assert network(42, tmp_path) == Network()
