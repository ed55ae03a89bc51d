"""What the module returns, and what it refuses."""

import pytest
from ansible_collections.swissphoto.silo.plugins.module_utils.common.metrics import MetricsError
from ansible_collections.swissphoto.silo.plugins.module_utils.tenant.stack import StackError
from ansible_collections.swissphoto.silo.plugins.modules import tenant_usage_info as module


@pytest.fixture
def call(run, tmp_path):
    usual = {"directory": str(tmp_path), "metrics_port": 8082, "interval": 0.5, "seconds": 5}
    return lambda **changes: run(module, **{**usual, **changes})


@pytest.fixture(autouse=True)
def server(monkeypatch):
    monkeypatch.setattr(module.collector, "read", lambda *_arguments: {})
    monkeypatch.setattr(module.metrics, "read", lambda _port: "process_start_time_seconds 1\n")


def test_what_is_returned(call):
    expected = {"changed": False, "tenants": {}, "metrics": "process_start_time_seconds 1\n", "metrics_problem": ""}
    assert call() == expected


def test_a_traefik_that_does_not_tell_takes_nothing_from_the_rest(call, monkeypatch):
    def refuse(_port):
        raise MetricsError("Traefik is not there")

    monkeypatch.setattr(module.metrics, "read", refuse)
    result = call()
    assert (result["tenants"], result["metrics"], result["metrics_problem"]) == ({}, None, "Traefik is not there")


@pytest.mark.parametrize("error", [StackError("the engine is away"), OSError("the engine is away")])
def test_an_engine_that_is_not_there_is_told(call, monkeypatch, error):
    def refuse(*_arguments):
        raise error

    monkeypatch.setattr(module.collector, "read", refuse)
    assert call() == {"failed": True, "msg": "the engine is away"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"interval": -1.0}, "interval is -1.0; it must be 0 to 60 seconds"),
        ({"interval": float("nan")}, "interval is nan; it must be 0 to 60 seconds"),
        ({"interval": 3600.0}, "interval is 3600.0; it must be 0 to 60 seconds"),
        ({"seconds": 0}, "seconds is 0; it must be 1 to 60"),
        ({"seconds": 61}, "seconds is 61; it must be 1 to 60"),
    ],
)
def test_times_without_sense_are_refused(call, changes, message):
    assert call(**changes) == {"failed": True, "msg": message}
