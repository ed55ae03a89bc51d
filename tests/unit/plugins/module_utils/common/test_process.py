"""Programs that flood, hang, leave children behind, and do not want to end."""

import os
import signal
import sys
import time
from pathlib import Path

import pytest
from ansible_collections.swissphoto.silo.plugins.module_utils.common import process
from ansible_collections.swissphoto.silo.plugins.module_utils.common.process import Completed

from tests.unit.patience import LONGER, PATIENCE

ENVIRONMENT = {"PATH": os.environ["PATH"]}


def run(*argv, seconds=PATIENCE, **options):
    return process.run(argv, **{"seconds": seconds, "environment": ENVIRONMENT, **options})


@pytest.fixture
def quick():
    """The test must end long before what it starts does."""
    begin = time.monotonic()
    yield
    assert time.monotonic() - begin < PATIENCE


def has_ended(number):
    for _ in range(100):
        try:
            if Path(f"/proc/{number}/stat").read_text().split()[2] == "Z":
                return True
        except (FileNotFoundError, ProcessLookupError):
            return True
        time.sleep(0.05)
    return False


def test_what_is_said_and_the_code_come_back():
    assert run("sh", "-c", "cat; echo wrong >&2; exit 3", text="hans\n") == Completed(3, "hans\n", "wrong\n")


def test_its_environment_is_what_it_is_given_and_its_input_is_empty():
    assert run("env") == Completed(0, f"PATH={ENVIRONMENT['PATH']}\n")
    assert run("cat") == Completed(0)


def test_what_is_no_program_is_an_error():
    with pytest.raises(FileNotFoundError):
        run("silo-has-no-such-command")


@pytest.mark.parametrize("stream", ["1", "2"])
def test_a_flood_on_either_stream_is_cut_and_ended(quick, stream):
    found = run("sh", "-c", f"yes >&{stream}", largest=1000, seconds=LONGER)
    assert (len(found.out) + len(found.err), found.rc) == (1000, -signal.SIGKILL)
    assert found.stopped == "said more than is taken"


def test_the_end_is_kept_where_the_end_matters():
    found = run("sh", "-c", "seq 100000; seq 100000 >&2", largest=14, tail=True)
    assert (found.out, found.err, found.stopped) == ("\n99999\n100000\n", "\n99999\n100000\n", "")


def test_a_flood_of_which_the_end_is_kept_ends_too(quick, monkeypatch):
    monkeypatch.setattr(process, "FLOOD", 10**6)
    assert run("sh", "-c", "yes >&2", largest=1000, tail=True, seconds=LONGER).stopped == "said more than is taken"


def test_who_is_late_is_killed_with_all_that_it_started(quick):
    found = run("sh", "-c", "sleep 600 & echo $!; wait", seconds=0.5)
    assert found.stopped == "did not end within 0.5 s"
    assert has_ended(int(found.out))


def test_a_child_that_keeps_the_streams_open_is_not_waited_for(quick):
    found = run("sh", "-c", "sleep 600 & echo $!; exit 4", seconds=LONGER)
    assert (found.rc, found.stopped) == (4, "")
    assert has_ended(int(found.out))


def test_a_child_that_goes_on_to_speak_is_not_listened_to(quick):
    found = run("sh", "-c", "(while :; do echo x; sleep 0.02; done) & exit 5", seconds=LONGER)
    assert (found.rc, found.stopped) == (5, "")


def test_who_closes_its_streams_and_stays_is_late(quick):
    assert run("sh", "-c", "exec >&- 2>&-; sleep 600", seconds=0.5).stopped == "did not end within 0.5 s"


TOLD = "trap 'echo told; exit 0' TERM; echo ready; while :; do sleep 0.05; done"


def test_who_is_late_may_end_by_itself(quick, tmp_path):
    file = tmp_path / "said"
    run("sh", "-c", f"exec >{file}; {TOLD}", seconds=1, grace=5)
    assert file.read_text() == "ready\ntold\n"


def test_who_ignores_it_is_killed(quick):
    found = run("sh", "-c", "trap '' TERM; echo $$; while :; do sleep 0.05; done", seconds=0.5, grace=0.3)
    assert (found.rc, found.stopped) == (-signal.SIGKILL, "did not end within 0.5 s")
    assert has_ended(int(found.out))


@pytest.mark.parametrize(("argv", "late"), [((sys.executable, "-c", ""), False), (("sleep", "600"), True)])
def test_who_does_not_read_its_input(quick, argv, late):
    assert bool(run(*argv, text="x" * 2**20, seconds=0.7 if late else PATIENCE).stopped) == late


def test_an_error_of_ours_leaves_nothing_behind(quick, monkeypatch):
    numbers = []

    def listen(started, *_rest):
        numbers.append(started.pid)
        raise KeyboardInterrupt

    monkeypatch.setattr(process, "_listen", listen)
    with pytest.raises(KeyboardInterrupt):
        run("sleep", "600")
    assert has_ended(numbers[0])


def test_files_take_the_place_of_its_streams(tmp_path):
    (tmp_path / "in").write_text("hans\n")
    with (tmp_path / "in").open() as given, (tmp_path / "out").open("w") as taken:
        assert run("cat", stdin=given.fileno(), stdout=taken.fileno()) == Completed(0)
    assert (tmp_path / "out").read_text() == "hans\n"


def test_it_runs_where_and_as_whom_it_should(tmp_path):
    found = run("sh", "-c", "pwd; id -u; umask", directory=tmp_path, user=os.geteuid(), umask=0o027)
    assert found.out.split() == [str(tmp_path), str(os.geteuid()), "0027"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes another user")
def test_another_user_keeps_none_of_our_groups():
    assert run("id", user=54321).out.startswith("uid=54321 gid=54321 groups=54321\n")


def test_nothing_stays_open():
    descriptors = Path("/proc/self/fd")
    before = len(list(descriptors.iterdir()))
    for command in ("true", "exec >&-", "yes"):
        run("sh", "-c", command, text="x" * 10**6, largest=10)
    assert len(list(descriptors.iterdir())) == before
