"""The settings are what the role writes; a value that cannot be is told by its name."""

import json

import pytest

from silo_learning_gate.counts import MOST_TENANTS, Counts
from silo_learning_gate.settings import SettingsError, load

VALUES = {
    "url": "http://10.82.0.2:3003/",
    "address": "127.0.0.1",
    "port": 8086,
    "local_port": 8087,
    "models": [{"name": "ViT-B-32__openai", "task": "clip"}, {"name": "ViT-L", "task": "clip", "digest": "x"}],
    "bounds": {"body": 1000, "answer_seconds": 5},
}


@pytest.fixture
def loaded(tmp_path):
    def of(**changes):
        path = tmp_path / "gate.json"
        path.write_text(json.dumps(VALUES | changes))
        return load(path)

    return of


def test_settings_are_read(loaded):
    settings = loaded()
    assert (settings.url, settings.models) == (
        "http://10.82.0.2:3003",
        {"clip": frozenset({"ViT-B-32__openai", "ViT-L"})},
    )
    assert (settings.bounds.body, settings.bounds.answer_seconds, settings.bounds.requests_of_tenant) == (1000, 5, 8)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"bounds": {"body": 0}}, "bounds.body is 0; it must be a number above 0"),
        ({"bounds": {"text": "many"}}, "bounds.text is 'many'; it must be a number above 0"),
        ({"bounds": {"bodies": 1}}, "bodies"),
        ({"port": "x"}, "cannot be read"),
        ({"models": ["clip"]}, "cannot be read"),
    ],
)
def test_settings_that_cannot_be(loaded, changes, why):
    with pytest.raises(SettingsError, match="gate.json.*") as raised:
        loaded(**changes)
    assert why in str(raised.value)


def test_no_file_is_no_settings(tmp_path):
    with pytest.raises(SettingsError, match="cannot be read: FileNotFoundError"):
        load(tmp_path / "missing.json")


def test_tenants_without_end_are_counted_together():
    counts = Counts(tell=lambda line: None)
    for number in range(MOST_TENANTS + 10):
        counts.add(f"t{number}", "answered")
    lines = [line for line in counts.lines(0, 0) if 'outcome="answered"' in line]
    assert len(lines) == MOST_TENANTS + 1
    assert 'silo_learning_requests_total{tenant="other",outcome="answered"} 10' in lines
