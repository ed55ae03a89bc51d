"""The wall: who fills their storage stands before it alone, and can still make room."""

import pytest

from ..cloud import picture

MEBIBYTE = 1024**2


@pytest.fixture
def tiny(newcomer, operator):
    # The photo server itself grants as much, so that the wall is what is met.
    name = newcomer("tiny", quota="24M", app_quota_share=1.0)
    operator.apply("--limit", name)
    return name


def fill(cloud):
    """Upload until the wall; the ids of what is stored."""
    stored = []
    for number in range(100):
        answer = cloud.upload(picture(1024), f"fill-{number}.jpg")
        if answer.status != 201:
            assert answer.status == 500
            assert answer.json == {"message": "Internal server error"}
            return stored
        stored.append(answer.json["id"])
    pytest.fail("100 photos of about 1 MiB fit into 24 MiB")


@pytest.mark.fault(5)
def test_a_full_tenant_fails_alone_and_can_make_room(lab, operator, customer, tiny):
    cloud = customer(tiny)
    stored = fill(cloud)
    assert stored
    used = int(lab.run("du", "-sb", f"/instances/{tiny}").split()[0])
    assert used < 25 * MEBIBYTE

    for other in ("hans", "maria", "peter"):
        assert customer(other).upload(picture()).status == 201
    assert customer(tiny).get("/api/users/me").status == 200

    assert cloud.delete(*stored).status in (200, 204)
    lab.run("sync")
    assert cloud.upload(picture()).status == 201


def test_more_storage_is_one_edit_and_no_restart(lab, operator, customer, tiny):
    cloud = customer(tiny)
    fill(cloud)
    before = lab.containers(tiny)
    operator.edit(tiny, quota="64M")
    operator.apply("--limit", tiny)
    assert cloud.upload(picture(1024)).status == 201
    assert lab.containers(tiny) == before


def test_a_quota_below_what_is_used_is_refused_and_the_others_go_on(lab, operator, customer, tiny):
    fill(customer(tiny))
    lab.run("sync")
    operator.edit(tiny, quota="1M")
    operator.edit("maria", quota="501G", plan=None)
    try:
        run = operator.try_run("apply.yml")
        assert run.code != 0
        assert "in use, more than the new limit of 1M; nothing was changed" in run.output
        assert lab.quota(2) == 501 * MEBIBYTE * 1024
    finally:
        operator.edit(tiny, quota="24M")
        operator.edit("maria", quota=None, plan="medium")
        operator.apply()
