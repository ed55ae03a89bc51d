"""Images, rights, mounts and profiles, as the engine tells them."""

import pytest
from ansible_collections.swissphoto.silo.plugins.module_utils.diagnostics import container_config

CHECKS = [
    container_config.image,
    container_config.rights,
    container_config.mounts,
    container_config.seccomp_profile,
]


@pytest.fixture
def failed(given):
    def of(**changes):
        container = given.container(**changes)
        found = [one for check in CHECKS for one in check(container)]
        assert [one.id for one in found] == ["image", "rights", "mounts", "seccomp_profile"]
        return {one.id: one.seen for one in found if not one.ok}

    return of


def test_all_hold_where_all_is_right(failed):
    assert failed() == {}


def test_another_image(failed):
    assert failed(digests=("registry/server@sha256:cd",)) == {"image": "registry/server@sha256:cd"}
    assert failed(digests=()) == {"image": "sha256:1"}


def test_an_image_that_is_not_pinned(given):
    (item, *_others) = given.parameters["tenants"][0]["services"]
    item["image"] = "registry/server:1"
    (check,) = container_config.image(given.container())
    assert (check.ok, check.expected) == (False, "registry/server:1, pinned by its digest")
    assert check.fix == "pin the image by its digest in silo_images"


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


def test_a_mount_that_no_quota_counts(given, failed):
    source, read_only = str(given.hans.directory / "backups"), str(given.hans.directory / "immich.json")
    mounts = [{"Source": source, "RW": True}, {"Source": read_only, "RW": False}]
    mounts += [{"Source": str(given.hans.disk / "database"), "RW": True}]
    assert failed(details=given.details() | {"Mounts": mounts}) == {"mounts": f"it may write to {source}"}


@pytest.mark.parametrize(
    ("options", "seen"),
    [
        ([], "the engine's own"),
        (["seccomp=unconfined"], "unconfined"),
        (['seccomp={"defaultAction": "SCMP_ACT_ALLOW"}'], "other rules, for example of an older file"),
    ],
)
def test_other_rules_for_system_calls(given, failed, options, seen):
    assert failed(details=given.details(SecurityOpt=options)) == {"seccomp_profile": seen}


def test_of_a_shared_service_neither_mounts_nor_profile_are_compared(given):
    assert container_config.mounts(given.shared()) == container_config.seccomp_profile(given.shared()) == []


def test_rules_that_are_not_there(given, failed):
    given.seccomp.unlink()
    assert "cannot be read" in failed()["seccomp_profile"]
