"""A tenant's database: what it answers, answers wrongly, and does not answer."""

import pytest
from ansible_collections.swissphoto.silo.plugins.module_utils.usage import database
from ansible_collections.swissphoto.silo.plugins.module_utils.usage.bounded import ask
from ansible_collections.swissphoto.silo.plugins.module_utils.usage.database import Database
from hypothesis import given
from hypothesis import strategies as st

ANSWER = "size|8123456\nphotos|1204|videos|31\nusers|2\nlogin|1795500000\n"


def read(answer, asked=None):
    def of(command, text, seconds):
        if asked is not None:
            asked.append((command, text, seconds))
        return answer

    return database.read("hans", 5, of)


def test_what_a_database_tells():
    asked = []
    assert read(ANSWER, asked) == Database(8123456, 1204, 31, 2, 1795500000)
    ((command, text, seconds),) = asked
    assert command[:3] == ("docker", "exec", "--interactive")
    assert "silo-hans-database-1" in command
    # The container's own watch ends before ours, which would leave psql there.
    assert command[command.index("timeout") + 2] == "5"
    assert seconds > 5
    assert "pg_database_size" in text


def test_nothing_can_be_written_and_no_statement_takes_for_ever():
    asked = []
    read(ANSWER, asked)
    (options,) = [word for word in asked[0][0] if word.startswith("PGOPTIONS=")]
    assert "default_transaction_read_only=on" in options
    assert "statement_timeout=2500" in options


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        ("", Database()),
        ("size|8123456\n", Database(8123456)),
        ("size|8123456\nusers|2\n", Database(8123456, users=2)),
        ("size|8123456\nphotos|12", Database(8123456, photos=12)),
        ("size|-1\nusers|many\n", Database()),
        (f"size|{'9' * 40}\n", Database()),
        ("ERROR: size|5 is wrong\nxsize|5\nsize|5x\n", Database()),
        ("\0\ufffd|\n||||", Database()),
    ],
)
def test_a_wrong_answer_is_unknown(answer, found):
    assert read(answer) == found


@given(st.text(alphabet="sizephotousrvd|0123456789\n -.", max_size=200))
def test_any_answer_is_read_or_unknown(answer):
    found = read(answer)
    assert all(value is None or 0 <= value < 10**18 for value in vars(found).values())


def test_a_database_that_hangs_is_unknown():
    found = database.read("hans", 1, lambda _command, text, seconds: ask(("sleep", "60"), text, seconds - 2.8))
    assert found == Database()
