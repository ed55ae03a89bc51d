"""The log of actions: in order, bounded, and without secrets."""

import subprocess
import sys
import threading

import pytest

from tests.failures.record import ACTIONS, COMMAND_LENGTH, OUTPUT_LENGTH, ActionLog, command_line

SECRET = "Kx7mQ2vR9tYw4ZpL8sNd3HfJ6bCg5TaE"  # pragma: allowlist secret


@pytest.fixture
def log():
    return ActionLog()


def did(log, what="true", result=0, output=""):
    with log.action("server", what) as action:
        action.end(result, output)


def kept(log):
    return [(action.what, action.result, action.times) for action in log.actions()[1]]


def test_actions_are_in_order_with_their_results(log):
    did(log, "mount", 0)
    did(log, "umount", 32, "target is busy")
    with log.action("browser", "open page"):
        pass
    assert kept(log) == [("mount", "0", 1), ("umount", "32", 1), ("open page", "ok", 1)]
    assert log.actions()[1][1].output == "target is busy"


def test_an_exception_is_the_result_and_goes_on(log):
    with pytest.raises(subprocess.TimeoutExpired), log.action("server", "sleep 9"):
        subprocess.run([sys.executable, "-c", "import time; time.sleep(9)"], timeout=0.1)
    (action,) = log.actions()[1]
    assert action.result == "TimeoutExpired"
    assert action.seconds >= 0.1


def test_equal_actions_that_follow_each_other_are_one(log):
    for what in ("ping", "ping", "ping", "stop", "ping"):
        did(log, what)
    assert kept(log) == [("ping", "0", 3), ("stop", "0", 1), ("ping", "0", 1)]
    did(log, "ping", 1)
    assert kept(log)[-1] == ("ping", "1", 1)


def test_it_is_bounded_and_says_what_it_forgot(log):
    for number in range(ACTIONS + 7):
        did(log, f"{number} {'x' * COMMAND_LENGTH}", output=f"begin{'y' * OUTPUT_LENGTH}end")
    left_out, actions = log.actions()
    assert (left_out, len(actions)) == (7, ACTIONS)
    assert actions[0].what.startswith("7 ")
    assert {len(action.what) for action in actions} == {COMMAND_LENGTH}
    assert actions[0].output.startswith("(8 characters are left out)\n")
    assert actions[0].output.endswith("end")


def test_a_new_test_begins_with_none(log):
    did(log)
    log.begin()
    assert log.actions() == (0, [])


def test_threads_add_to_one_log(log):
    def work(number):
        for turn in range(5):
            did(log, f"{number} {turn}")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(what for what, _result, _times in kept(log)) == sorted(f"{n} {t}" for n in range(8) for t in range(5))


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        (["docker", "ps", "--format", "{{.Names}} {{.ID}}"], "docker ps --format '{{.Names}} {{.ID}}'"),
        (["-e", "admin_password=two words"], "-e 'admin_password=***'"),
        (["--password", SECRET, "on"], "--password '***' on"),
        (["--password=two words"], "'--password=***'"),
        (["sh", "-c", f"PGPASSWORD={SECRET} psql"], "sh -c 'PGPASSWORD=*** psql'"),
        (["sh", "-c", f"REDISCLI_AUTH='{SECRET}' cli"], "sh -c 'REDISCLI_AUTH=*** cli'"),
        (["-e", '{"stripe_api_key": "two words", "x": 1}'], """-e '{"stripe_api_key": ***, "x": 1}'"""),
        (["-H", f"Authorization: Bearer {SECRET}"], "-H 'Authorization: Bearer ***'"),
        # Files that hold a secret are none.
        (["-e", "stripe_key_file=/root/key", "cat", "/secrets/password"], None),
        (["-e", "vault_password_file=/root/vault-password"], None),
    ],
)
def test_an_argument_that_names_a_secret_is_masked(arguments, shown):
    assert command_line(arguments) == (" ".join(arguments) if shown is None else shown)


def test_a_link_that_opens_a_tenant_is_masked_when_it_is_recorded(log):
    did(log, f"GET /silo/welcome/{SECRET}")
    assert SECRET not in str(vars(log))
    assert kept(log) == [("GET /silo/welcome/***", "0", 1)]


def test_what_the_sources_know_is_masked_wherever_it_shows(log):
    vault = {"admin_password of hans": SECRET}
    log.hide(lambda: dict(vault))
    with log.action("server", f"echo {SECRET}") as action:
        action.end(1, f"out {SECRET}", note=f"note {SECRET}")
    log.learn()
    # It is known after the vault is gone.
    vault.clear()
    log.learn()
    (action,) = log.actions()[1]
    name = "<admin_password of hans>"
    assert (action.what, action.output, action.note) == (f"echo {name}", f"out {name}", f"note {name}")


def test_a_secret_that_was_cut_is_masked(log):
    log.hide(lambda: {"it": SECRET})
    log.learn()
    for part in (SECRET[:20], SECRET[-20:], SECRET[:8], SECRET[-8:]):
        assert log.without_secrets(f"'{part}...'") == "'<it>...'"
    assert log.without_secrets("nothing") == "nothing"


def test_a_value_that_is_too_short_to_be_a_secret_is_left(log):
    log.hide(lambda: {"empty": "", "short": "a"})
    log.learn()
    assert log.without_secrets("a word") == "a word"


@pytest.mark.parametrize(
    "text",
    [
        f'b\'{{"accessToken":"{SECRET}","userId":"1"}}\'',
        f'{{"secret": "{SECRET}"}}',
        f"{{'Authorization': 'Bearer {SECRET}'}}",
        f"https://hans.test/silo/welcome/{SECRET} is",
    ],
)
def test_sessions_keys_and_links_are_masked_in_any_text(log, text):
    assert SECRET not in log.without_secrets(text)
    assert log.without_secrets(text).replace("***", SECRET) == text
