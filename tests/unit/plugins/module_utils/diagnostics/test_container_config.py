"""Images, rights, mounts and profiles, as the engine tells them."""

import pytest
from ansible_collections.swissphoto.silo.plugins.module_utils.diagnostics import container_config

NAMES = {"image", "rights", "mounts", "seccomp profile"}


@pytest.fixture
def failed(given):
    def of(**changes):
        checks = list(container_config.of_tenant(given.hans, given.service, given.found(**changes), given.seccomp))
        assert {check.check for check in checks} == NAMES
        return {check.check: check.seen for check in checks if not check.ok}

    return of


def test_all_hold_where_all_is_right(failed):
    assert failed() == {}


def test_another_image(failed):
    assert failed(digests=("registry/server@sha256:cd",)) == {"image": "registry/server@sha256:cd"}
    assert failed(digests=()) == {"image": "sha256:1"}


def test_an_image_that_is_not_pinned(given):
    (item, *_others) = given.parameters["tenants"][0]["services"]
    item["image"] = "registry/server:1"
    check = container_config.image(given.service, given.found())
    assert (check.ok, check.expected) == (False, "registry/server:1, pinned by its digest")


@pytest.mark.parametrize(
    ("host", "seen"),
    [
        ({"Privileged": True}, "privileged"),
        ({"CapAdd": ["NET_ADMIN"]}, "+NET_ADMIN"),
        ({"Devices": [{"PathOnHost": "/dev/sda"}]}, "/dev/sda"),
        ({"PidMode": "host"}, "PidMode is the host's"),
        ({"IpcMode": "host"}, "IpcMode is the host's"),
    ],
)
def test_what_an_engine_gave_of_its_host(given, failed, host, seen):
    assert failed(details=given.details(**host)) == {"rights": seen}


@pytest.mark.parametrize("path", ["/", "/etc", "nas/maria/uploads", "nas/hansi"])
def test_a_mount_of_somebody_else(given, failed, path):
    source = str(given.root / path)
    details = given.details() | {"Mounts": [{"Source": source}, {"Type": "tmpfs", "Source": ""}]}
    assert failed(details=details) == {"mounts": source}


@pytest.mark.parametrize(
    ("options", "seen"),
    [
        ([], "the engine's own"),
        (["seccomp=unconfined"], "unconfined"),
        (['seccomp={"defaultAction": "SCMP_ACT_ALLOW"}'], "other rules, as of an older file"),
    ],
)
def test_other_rules_for_system_calls(given, failed, options, seen):
    assert failed(details=given.details(SecurityOpt=options)) == {"seccomp profile": seen}


def test_rules_that_are_not_there(given, failed):
    given.seccomp.unlink()
    assert "cannot be read" in failed()["seccomp profile"]


def test_what_holds_for_every_container(given):
    def seen(**changes):
        return {
            check.check: check.seen
            for check in container_config.of_server("silo1", [given.item(**changes)])
            if not check.ok
        }

    assert seen() == {}
    assert seen(published=("0.0.0.0:8080",)) == {"published ports": "0.0.0.0:8080 of silo-hans-server-1"}
    socket = "/var/run/docker.sock"
    assert seen(sources=("/etc", socket)) == {"engine's socket": f"{socket} in silo-hans-server-1"}
