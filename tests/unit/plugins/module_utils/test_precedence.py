"""An inventory counts more than the policy of the collection, or nothing is run."""

import configparser

import pytest
from ansible import constants
from ansible_collections.swissphoto.silo.plugins.module_utils.precedence import LINE, OF_INVENTORIES, problem

from tests.unit.forks import ROOT

OURS = configparser.ConfigParser()
OURS.read(ROOT / "ansible.cfg")
ANSIBLE = constants.config.get_configuration_definitions()["VARIABLE_PRECEDENCE"]["default"]


def test_that_of_this_repository_is_right_and_is_the_line_that_is_named():
    given = OURS["defaults"]["precedence"]
    assert problem([name.strip() for name in given.split(",")]) == ""
    assert f"precedence = {given}" == LINE


@pytest.mark.parametrize(
    "precedence",
    [
        ANSIBLE,
        ["all_inventory", "all_plugins_play", *OF_INVENTORIES[1:]],
        ["all_plugins_play", "groups_plugins_play"],
        [*OF_INVENTORIES[:3], "groups_plugins_play", OF_INVENTORIES[3]],
        [],
    ],
)
def test_any_other_is_refused_with_the_line_to_add(precedence):
    assert problem(precedence).endswith(f"Add this line to [defaults] in your ansible.cfg: {LINE}")


def test_a_policy_that_does_not_count_at_all_beats_nobody():
    assert problem(list(OF_INVENTORIES)) == ""
