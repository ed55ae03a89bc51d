"""The defaults of a role are copied to where ansible-doc looks, and nothing else of that file changes."""

import pytest
import yaml

from tools import role_defaults

SPECS = """---
# A comment stays.
argument_specs:
  main:
    short_description: Short
    options:
      some_text:
        type: str
        description: A text.
      some_list:
        type: list
        elements: dict
        default: [old]
        description:
          - A list.
        options:
          inner:
            type: str
            default: mine
            description: Inner.
      some_name:
        type: str
        required: true
        description: None here.
"""


@pytest.fixture
def role(tmp_path):
    def make(defaults):
        for path, text in ((role_defaults.SPECS, SPECS), (role_defaults.DEFAULTS, yaml.safe_dump(defaults))):
            (tmp_path / path).parent.mkdir(exist_ok=True)
            (tmp_path / path).write_text(text)
        return tmp_path

    return make


def options(text):
    return yaml.safe_load(text)["argument_specs"]["main"]["options"]


@pytest.mark.parametrize(
    "value",
    ["", "5min", "*-*-* 04:30", "{{ playbook_dir | dirname }}", "0644", "yes", 0, 0.75, False, "a" * 300, "two\nlines"],
)
def test_what_is_copied_is_what_the_role_has(role, value):
    assert options(role_defaults.specs(role({"some_text": value})))["some_text"]["default"] == value


@pytest.mark.parametrize("value", [[], {}, ["80", 80], [{"base": "10.84.0.0/16"}], {"a": {"b": [1]}}, ["x" * 90] * 3])
def test_also_of_lists_and_dictionaries(role, value):
    made = options(role_defaults.specs(role({"some_list": value})))
    assert made["some_list"]["default"] == value
    assert made["some_list"]["options"]["inner"]["default"] == "mine"


def test_the_rest_stays_and_a_second_time_changes_nothing(role):
    folder = role({"some_text": "x", "some_name": "only so that the role can be read"})
    text = role_defaults.specs(folder)
    assert [line for line in text.splitlines() if line not in SPECS.splitlines()] == ["        default: x"]
    assert "default: [old]" not in text
    assert "default" not in options(text)["some_name"]
    assert "# A comment stays." in text
    (folder / role_defaults.SPECS).write_text(text)
    assert role_defaults.specs(folder) == text
