"""Maintenance: what may be said, where it is written, and what pages show of it."""

import datetime
import json

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.swissphoto.silo.plugins.filter import maintenance as filters

from silo import maintenance
from silo.languages import LANGUAGES
from silo.maintenance import MaintenanceError, Notice
from tests.unit.roles.customer_texts import texts

NOW = datetime.datetime(2026, 12, 1, 19, 30, tzinfo=datetime.UTC)  # 20:30 in Switzerland
END = datetime.datetime.fromisoformat("2026-12-24T22:00+01:00")
GROUPS = {"servers": ["silo1", "silo2"], "tenants": ["hans", "maria"]}
HOSTVARS = {
    "hans": {"tenant_server": "silo1", "tenant_language": "fr"},
    "maria": {"tenant_server": "silo2", "tenant_language": "it"},
}


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("22:00", "2026-12-01T22:00+01:00"),
        ("8:05", "2026-12-02T08:05+01:00"),
        ("2026-12-24 22:00", "2026-12-24T22:00+01:00"),
        ("2026-12-24T22:00+00:00", "2026-12-24T22:00+00:00"),
        # A day means its end, also today.
        ("2026-12-24", "2026-12-24T23:59+01:00"),
        ("2026-12-01", "2026-12-01T23:59+01:00"),
        ("20261224", "2026-12-24T23:59+01:00"),
        ("2026-12-24 00:00", "2026-12-24T00:00+01:00"),
    ],
)
def test_a_time_is_one_of_switzerland_and_the_next_of_its_kind(text, end):
    assert maintenance.until(text, NOW) == datetime.datetime.fromisoformat(end)


@pytest.mark.parametrize("text", ["25:00", "soon", "", "2026-12-01 20:00", "2027-12-01", "0001-01-01", "9" * 500])
def test_another_time_is_a_sentence(text):
    with pytest.raises(MaintenanceError, match="until is .*; it must be") as caught:
        maintenance.until(text, NOW)
    assert len(str(caught.value)) < 250


def test_what_is_written_is_read_again():
    one = {language: f"Text {language}" for language in LANGUAGES}
    notices = {
        "all": Notice(dict.fromkeys(LANGUAGES, "Überall: 'neu' { x }"), END),
        "hans": Notice({"de": "Nur hier"}),
        "silo1": Notice(),
        "silo2": Notice(one, END),
    }
    assert maintenance.read(maintenance.written(notices)) == notices
    assert maintenance.written({}) is None
    assert maintenance.read(None) == {}


@pytest.mark.parametrize(
    ("said", "wrong"),
    [
        ("on", "silo_maintenance is 'on'; it must map all, a server or a tenant"),
        ({"../x": {}}, "silo_maintenance names '../x'"),
        ({"hans": "on"}, "silo_maintenance.hans is 'on'; it may have text and until"),
        ({"hans": {"txt": ""}}, "it may have text and until"),
        ({"hans": {"text": 7}}, "silo_maintenance.hans: text is 7"),
        ({"hans": {"text": {"rm": "x"}}}, "silo_maintenance.hans: language 'rm' is not one of de, fr, it, en"),
        ({"hans": {"text": "a\nb"}}, "it must be one line of 1 to 500 characters"),
        ({"hans": {"text": "x" * 501}}, "it must be one line of 1 to 500 characters"),
        ({"hans": {"text": {"de": ["x"]}}}, "it must be one line"),
        ({"hans": {"text": "bis {{ ende }}"}}, "it must be one line of 1 to 500 characters, without {{, {% and {#"),
        ({"hans": {"until": "soon"}}, "silo_maintenance.hans: until is 'soon'; it must be a time such as"),
        ({"hans": {"until": "2026-12-24T22:00"}}, "it must have a time zone"),
        ({"hans": {"until": 7}}, "until is 7"),
    ],
)
def test_what_cannot_be_is_a_sentence(said, wrong):
    with pytest.raises(MaintenanceError) as caught:
        maintenance.parse(said)
    assert wrong in str(caught.value)
    with pytest.raises(AnsibleFilterError) as told:
        filters.maintenance(said, "silo1", GROUPS, HOSTVARS)
    assert wrong in str(told.value)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "{",
            "all: {vars: {other: 1}}",
            "all: {hosts: {x: }}",
            "- 1",
            "",
            "all: {vars: {silo_maintenance: {}, x: 1}}",
        ),
        "all: {vars: {silo_maintenance: {hans: {until: 2026-02-30T10:00:00+01:00}}}}",
        "[" * 3000,
    ],
)
def test_a_file_that_is_another_one_is_a_sentence(text):
    with pytest.raises(MaintenanceError, match=r"^maintenance\.yml: it"):
        maintenance.read(text)


def shown(said, server):
    return {one["id"]: (one["tenant"], one["language"]) for one in filters.maintenance(said, server, GROUPS, HOSTVARS)}


def test_each_server_shows_what_is_its_own():
    said = {"silo1": {}, "hans": {}, "maria": {}, "gone": {}}
    assert shown(said, "silo1") == {"here": ("", "auto"), "tenant-hans": ("hans", "fr")}
    assert shown(said, "silo2") == {"tenant-maria": ("maria", "it")}
    assert shown({"all": {}}, "silo2") == {"here": ("", "auto")}
    assert shown({}, "silo1") == {}


def test_what_is_said_of_a_server_counts_before_what_is_said_of_all():
    said = {"all": {"text": "Alle"}, "silo1": {"text": "Dieser"}}
    for server, text in (("silo1", "Dieser"), ("silo2", "Alle")):
        (notice,) = filters.maintenance(said, server, GROUPS, HOSTVARS)
        assert set(notice["texts"].values()) == {text}


def test_pages_say_the_operators_words_and_the_time_and_else_ours():
    notices = filters.maintenance(
        {"all": {"text": {"de": 'Wir <b>ziehen</b> "um".'}, "until": END.isoformat()}}, "silo1", GROUPS, HOSTVARS
    )
    words = texts("pages")
    files = {one["path"]: one["content"] for one in filters.maintenance_files(notices, words, "/n")}
    assert {path.split("/")[-1].rsplit(".", 1)[0] for path in files} == {
        f"{name}-{language}" for name in ("any", "here") for language in LANGUAGES
    }
    assert files["/n/here-de.html"].startswith("Wir &lt;b&gt;ziehen&lt;/b&gt; &quot;um&quot;. ")
    assert files["/n/here-de.html"].endswith("24. Dezember 2026, 22:00.")
    assert json.loads(files["/n/here-de.json"]) == {
        "message": "Diese Foto-Cloud ist in Wartung. "
        'Wir <b>ziehen</b> "um". Wir rechnen damit bis 24. Dezember 2026, 22:00.',
        "reason": "maintenance",
        "until": "2026-12-24T22:00+01:00",
    }
    assert files["/n/here-fr.html"].startswith("Nous travaillons sur nos serveurs.")
    assert "24 décembre 2026, 22:00" in files["/n/here-fr.html"]
    assert "until" not in json.loads(files["/n/any-en.json"])
    assert files["/n/any-en.html"] == words["en"]["maintenance"]["text"]
