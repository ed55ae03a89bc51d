"""The machine learning and its gate: limits, walls, and settings that reach them as they are written."""

import json
import re

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar

from silo_learning_gate.settings import Bounds, load
from tests.unit.forks import ROOT

ROLE = ROOT / "roles" / "machine_learning"
# What the download has and the service has not.
OWN = {"HTTPS_PROXY", "HF_HOME", "MACHINE_LEARNING_WORKER_TIMEOUT"}
# What the role has read on the server.
SEEN = {
    "__machine_learning_record": "abc",
    "__machine_learning_seen": {"preload": {"MACHINE_LEARNING_PRELOAD__CLIP__VISUAL": "ViT-B-32__openai"}},
}


@pytest.fixture
def compose(render):
    return lambda **changes: yaml.safe_load(render("machine_learning", "compose.yaml.j2", **SEEN | changes))


def test_the_limits_of_the_mission(compose):
    service = compose()["services"]["machine-learning"]
    assert service["mem_limit"] == service["memswap_limit"] == str(24 * 1024**3)


def test_its_network_has_no_way_out_and_its_address_lies_in_it(compose):
    network = compose()["networks"]["default"]
    assert network["internal"] is True
    assert network["ipam"]["config"] == [{"subnet": "10.82.0.0/28"}]
    # The firewall knows the bridge by its name.
    assert network["driver_opts"] == {"com.docker.network.bridge.name": "silo-ml"}


def test_it_has_its_models_and_can_neither_change_them_nor_fetch_others(compose):
    service = compose()["services"]["machine-learning"]
    assert service["volumes"] == ["./models:/cache:ro"]
    environment = service["environment"]
    assert (environment["HF_HUB_OFFLINE"], environment["MACHINE_LEARNING_MODEL_TTL"]) == ("1", "0")
    assert environment["MACHINE_LEARNING_PRELOAD__CLIP__VISUAL"] == "ViT-B-32__openai"
    # Others make the container anew.
    assert service["labels"] == {"ch.swissphoto.silo.digest": "abc"}


def test_what_downloads_them_is_bounded_and_keeps_nothing_else(render, compose):
    text = render(
        "machine_learning", "download.yaml.j2", **SEEN, machine_learning_download_environment={"HTTPS_PROXY": "p"}
    )
    found = yaml.safe_load(text)
    download, service = found["services"]["download"], compose()["services"]["machine-learning"]
    for key in ("user", "init", "read_only", "cap_drop", "security_opt", "pids_limit", "ulimits", "tmpfs", "logging"):
        assert download[key] == service[key], key
    assert download["mem_limit"] == download["memswap_limit"] == str(4 * 1024**3)
    assert download["volumes"] == ["./download:/cache"]
    assert download["environment"].keys() - service["environment"].keys() == OWN
    assert "HF_HUB_OFFLINE" not in download["environment"]
    # A bridge of the pattern silo-*, from which the firewall lets it to the internet only.
    assert found["networks"]["default"]["driver_opts"] == {"com.docker.network.bridge.name": "silo-download"}


def test_the_gate_s_unit_reaches_the_service_alone(render):
    text = render("machine_learning", "silo-learning-gate.service.j2")
    reached = ["IPAddressDeny=any", "IPAddressAllow=127.0.0.0/8 10.82.0.2"]
    assert re.findall(r"^IPAddress.*$", text, re.MULTILINE) == reached
    for line in (
        "MemoryMax=805306368",
        "LimitCORE=0",
        "ProtectSystem=strict",
        "CapabilityBoundingSet=",
        "TasksMax=160",
    ):
        assert f"\n{line}\n" in text
    assert "ReadWritePaths" not in text


@pytest.fixture
def settings(tmp_path):
    """Gives a function: the gate's settings, as it reads what the role writes."""
    loader = DataLoader()
    values = loader.load_from_file(str(ROLE / "defaults" / "main.yml"), trusted_as_template=True)
    values |= loader.load_from_file(str(ROLE / "vars" / "main.yml"), trusted_as_template=True)

    def of(**changes):
        found = Templar(loader, {**values, "role_path": str(ROLE), **changes}).template(
            values["__machine_learning_gate"]
        )
        (tmp_path / "gate.json").write_text(json.dumps(found))
        return load(tmp_path / "gate.json")

    return of


def test_the_gate_reads_what_the_role_writes(settings):
    found = settings()
    # The defaults of the role are those of the program.
    assert found.bounds == Bounds()
    assert (found.url, found.address, found.port, found.local_port) == (
        "http://10.82.0.2:3003",
        "127.0.0.1",
        8086,
        8087,
    )
    assert found.models == {
        "clip": {"ViT-B-32__openai"},
        "facial-recognition": {"buffalo_l"},
        "ocr": {"PP-OCRv5_mobile"},
    }
    assert settings(machine_learning_gate_body="1M").bounds.body == 1024**2


def test_a_tenant_s_requests_fit_and_all_of_them_fit_into_the_gate_s_memory(settings):
    bounds = settings().bounds
    assert bounds.body <= bounds.held_of_tenant < bounds.held
    assert 2 * bounds.held <= 768 * 1024**2


def test_the_health_check_is_the_image_s_own(compose):
    assert "test" not in compose()["services"]["machine-learning"]["healthcheck"]


@pytest.mark.parametrize(
    ("value", "written"), [(300, "300"), (True, "True"), ('a "b": c', 'a "b": c'), ("pa$word", "pa$$word")]
)
def test_a_setting_reaches_the_service_as_it_is_written(compose, value, written):
    environment = compose(machine_learning_environment={"MACHINE_LEARNING_X": value})
    assert environment["services"]["machine-learning"]["environment"]["MACHINE_LEARNING_X"] == written
