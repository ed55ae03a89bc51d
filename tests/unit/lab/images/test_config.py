import json

import pytest
from photo_server.config import InvalidConfig, SystemConfig, default_values, differences, load_config, merge
from photo_server.defaults import DEFAULTS
from photo_server.environment import read_environment
from photo_server.errors import StartError

ENVIRONMENT = read_environment({})


def load(path, text):
    path.write_text(text)
    return load_config(read_environment({"IMMICH_CONFIG_FILE": str(path)}), {})


def test_a_partial_file_lies_over_the_defaults(tmp_path):
    config, unknown = load(tmp_path / "immich.json", '{"job": {"smartSearch": {"concurrency": 1}}}')
    assert config.from_file
    assert config.concurrency("smartSearch") == 1
    assert config.concurrency("thumbnailGeneration") == 3
    assert config.concurrency("backupDatabase") == 1
    assert unknown == []


def test_yaml_is_read_too(tmp_path):
    config, _ = load(tmp_path / "immich.yml", "machineLearning:\n  urls:\n    - http://10.83.0.1:3003/\n")
    assert config.machine_learning().urls == ("http://10.83.0.1:3003",)


def test_an_unknown_key_is_named_and_left_out(tmp_path):
    config, unknown = load(tmp_path / "immich.json", '{"trash": {"days": 3, "dayz": 4}}')
    assert unknown == ["trash.dayz"]
    assert config.values["trash"] == {"enabled": True, "days": 3}


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ({"machineLearning": {"enabled": "yes"}}, "machineLearning.enabled"),
        ({"machineLearning": {"urls": []}}, "machineLearning.urls"),
        ({"machineLearning": {"urls": ["ml:3003"]}}, "machineLearning.urls"),
        ({"machineLearning": []}, "machineLearning"),
        ({"job": {"smartSearch": {"concurrency": 0}}}, "job.smartSearch.concurrency"),
        ({"trash": {"days": True}}, "trash.days"),
        ({"trash": {"days": "thirty"}}, "trash.days"),
        ({"backup": {"database": {"cronExpression": "nightly"}}}, "backup.database.cronExpression"),
        ({"server": {"externalDomain": "hans.ch"}}, "server.externalDomain"),
    ],
)
def test_an_invalid_value_stops_the_start_with_its_name(tmp_path, given, name):
    with pytest.raises(StartError, match=f"^Invalid system config: {name} must be"):
        load(tmp_path / "immich.json", json.dumps(given))


@pytest.mark.parametrize("text", ["{", "[]", "null"])
def test_a_file_that_holds_no_object_stops_the_start(tmp_path, text):
    with pytest.raises(StartError):
        load(tmp_path / "immich.json", text)


def test_without_a_file_what_was_stored_counts():
    config, _ = load_config(ENVIRONMENT, {"passwordLogin": {"enabled": False}})
    assert not config.from_file
    assert config.at("passwordLogin.enabled") is False


def test_the_environment_changes_the_defaults_of_machine_learning():
    environment = read_environment(
        {"IMMICH_MACHINE_LEARNING_URL": "http://ml:1", "IMMICH_MACHINE_LEARNING_ENABLED": "false"}
    )
    values = default_values(environment)
    assert values["machineLearning"]["urls"] == ["http://ml:1"]
    assert not SystemConfig(values, from_file=False).machine_learning().enabled
    assert DEFAULTS["machineLearning"]["enabled"] is True


def test_the_external_domain_is_reduced_to_its_origin():
    values, _ = merge(DEFAULTS, {"server": {"externalDomain": "https://hans.ch/photos?x=1"}})
    assert SystemConfig(values, from_file=True).external_domain() == "https://hans.ch"


def test_only_differences_are_worth_storing():
    values, _ = merge(DEFAULTS, {"trash": {"days": 3, "enabled": True}, "user": {"deleteDelay": 7}})
    assert differences(DEFAULTS, values) == {"trash": {"days": 3}}


def test_merging_leaves_the_defaults_alone():
    with pytest.raises(InvalidConfig):
        merge(DEFAULTS, {"trash": {"days": -1}})
    merge(DEFAULTS, {"trash": {"days": 1}})
    assert DEFAULTS["trash"]["days"] == 30
