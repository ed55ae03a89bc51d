"""The sign of life that a controller leaves."""

import datetime
import json

import pytest
from prometheus_client.parser import text_string_to_metric_families

from silo import backup_record
from silo.ansible import runner
from silo.controller import sign
from silo.notifications.letter import Restored
from silo.notifications.outbox import Outbox
from silo.notifications.settings import MailSettings
from silo.reports import alerts
from tests.unit.forks import ROOT

NOW = datetime.datetime(2026, 12, 1, 12, tzinfo=datetime.UTC)


def values(text):
    return {one.name: one.samples[0].value for one in text_string_to_metric_families(text)}


def test_it_has_the_time_of_the_run_and_of_the_last_backup(tmp_path):
    assert values(sign.metrics(tmp_path, NOW)) == {sign.SEEN: NOW.timestamp()}
    (tmp_path / ".silo").mkdir()
    backup_record.write(tmp_path, backup_record.Record(NOW - datetime.timedelta(days=1), "b.age", ()))
    assert values(sign.metrics(tmp_path, NOW)) == {sign.SEEN: NOW.timestamp(), sign.BACKUP: NOW.timestamp() - 86400}


def test_a_backup_that_is_not_complete_counts_as_none(tmp_path):
    (tmp_path / ".silo").mkdir()
    days = [NOW - datetime.timedelta(days=ago) for ago in (3, 2, 1)]
    for at, problems, counts in zip(days, (["gone"], [], ["gone"]), (0, *[days[1].timestamp()] * 2), strict=True):
        backup_record.write(tmp_path, backup_record.Record(at, "b.age", problems))
        assert values(sign.metrics(tmp_path, NOW))[sign.BACKUP] == counts
    (tmp_path / ".silo" / "backup.json").write_text(f'{{"at": "{NOW.isoformat()}", "path": "b", "problems": []}}')
    assert values(sign.metrics(tmp_path, NOW))[sign.BACKUP] == NOW.timestamp(), "a record of an older version"


def test_it_has_how_long_letters_wait_and_how_many_failed(tmp_path):
    now = [NOW.timestamp() - 7200]
    given = MailSettings("127.0.0.1", 9, "silo@example.ch", tmp_path / "outbox.db", security="none")
    outbox = Outbox(given, lambda: now[0])

    def letters():
        found = values(sign.metrics(tmp_path, NOW, outbox))
        return found[sign.UNANSWERED], found[sign.LOST]

    assert letters() == (0, 0)
    outbox.enqueue("restored/hans/1", "hans@example.ch", Restored("hans", "https://hans.example.ch"), "de")
    assert letters() == (7200, 0)
    with outbox._database() as database:
        database.execute("UPDATE letter SET state = 'failed', ended = ?", (now[0],))
    assert letters() == (0, 1)
    given.outbox.unlink()
    given.outbox.mkdir()
    assert values(sign.metrics(tmp_path, NOW, outbox)) == {sign.SEEN: NOW.timestamp()}, "the sign is left anyway"


def test_the_rules_read_what_it_has():
    rules = (ROOT / "roles" / "monitoring" / "files" / "silo.rules.yml").read_text()
    assert all(f"time() - {name} >" in rules for name in (sign.SEEN, sign.BACKUP))
    assert all(f"expr: {name} > " in rules for name in (sign.UNANSWERED, sign.LOST))


@pytest.mark.parametrize("leaves_sign", [True, False])
def test_the_run_that_reads_the_alerts_leaves_it(tmp_path, monkeypatch, leaves_sign):
    seen = []

    def events(playbooks, _inventory, arguments=(), lock=None):
        seen.append((list(playbooks), list(arguments)))
        return iter(())

    monkeypatch.setattr(runner, "events", events)

    class Service:
        path = tmp_path
        outbox = None

        class state:  # noqa: N801 - an attribute
            alerts = tmp_path / "alerts.json"

    alerts.look(Service, leaves_sign=leaves_sign)
    ((playbooks, arguments),) = seen
    assert playbooks == (["read.yml", "sign.yml"] if leaves_sign else ["read.yml"])
    given = [json.loads(one) for one in arguments if one.startswith("{")]
    assert [list(one) for one in given] == ([["sign_metrics"]] if leaves_sign else [])
