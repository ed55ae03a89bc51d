"""The Compose file of the machine learning: its limits, and settings that reach it as they are written."""

import pytest
import yaml


@pytest.fixture
def compose(render):
    return lambda **changes: yaml.safe_load(render("machine_learning", "compose.yaml.j2", **changes))


def test_the_limits_of_the_mission(compose):
    service = compose()["services"]["machine-learning"]
    assert service["mem_limit"] == service["memswap_limit"] == str(24 * 1024**3)


def test_its_network_leads_out_and_its_address_lies_in_it(compose):
    network = compose()["networks"]["default"]
    assert not network.get("internal")
    assert network["ipam"]["config"] == [{"subnet": "10.82.0.0/28"}]


def test_the_health_check_is_the_image_s_own(compose):
    assert "test" not in compose()["services"]["machine-learning"]["healthcheck"]


@pytest.mark.parametrize(
    ("value", "written"), [(300, "300"), (True, "True"), ('a "b": c', 'a "b": c'), ("pa$word", "pa$$word")]
)
def test_a_setting_reaches_the_service_as_it_is_written(compose, value, written):
    environment = compose(machine_learning_environment={"MACHINE_LEARNING_X": value})
    assert environment["services"]["machine-learning"]["environment"]["MACHINE_LEARNING_X"] == written
