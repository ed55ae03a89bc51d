"""The photo server says so before the wall does: a share of what was bought, counted in originals."""

import pytest

from ..cloud import picture

MEBIBYTE = 1024**2
GRANTED = """SELECT "quotaSizeInBytes" FROM "user" WHERE "isAdmin" """


@pytest.fixture
def small(newcomer, operator):
    # The pictures of the tests are noise, which thumbnails double: so the share is a small one.
    name = newcomer("modest", quota="64M", app_quota_share=0.25)
    operator.apply("--limit", name)
    return name


def fill(cloud):
    """Upload until the photo server takes no more; its answer."""
    for number in range(40):
        answer = cloud.upload(picture(1024), f"fill-{number}.jpg")
        if answer.status != 201:
            return answer
    pytest.fail("40 photos of about 1 MiB fit into 16 MiB")


def test_tenants_have_the_share_of_the_policy(lab):
    assert int(lab.psql("hans", GRANTED)) == 85 * 1024 * MEBIBYTE
    assert int(lab.psql("maria", GRANTED)) == 425 * 1024 * MEBIBYTE


def test_the_customer_reads_a_sentence_before_the_wall_and_more_is_no_restart(lab, operator, customer, small):
    cloud = customer(small)
    answer = fill(cloud)
    assert (answer.status, answer.json["message"]) == (400, "Quota has been exceeded!")
    lab.run("sync")
    assert int(lab.run("du", "-sb", f"/instances/{small}").split()[0]) < 63 * MEBIBYTE

    # From now on only the customer could log in.
    passwords = {"password": operator.secrets(small)["admin_password"], "newPassword": "theirs alone"}
    assert cloud.post("/api/auth/change-password", passwords).status in (200, 201)
    before = lab.containers(small)
    operator.edit(small, quota="128M")
    assert "16M -> 32M" in operator.run("plan.yml", "--limit", small).output
    assert int(lab.psql(small, GRANTED)) == 16 * MEBIBYTE
    operator.apply("--limit", small)
    assert int(lab.psql(small, GRANTED)) == 32 * MEBIBYTE
    assert cloud.upload(picture(1024)).status == 201
    assert lab.containers(small) == before
    assert set(operator.apply("--limit", small).changed.values()) == {0}


@pytest.mark.slow("applies with a database that is away; unit tests have the same answers of it")
def test_an_app_quota_that_cannot_be_set_is_told_and_repeated(lab, operator, small):
    lab.psql(small, 'UPDATE "user" SET "isAdmin" = false')
    operator.edit(small, app_quota_share=0.5)
    run = operator.try_run("apply.yml", "--limit", small)
    assert run.code != 0
    assert f"{small}: the app quota cannot be set: this instance has no admin any more" in " ".join(run.output.split())
    lab.psql(small, 'UPDATE "user" SET "isAdmin" = true')
    operator.apply("--limit", small)
    assert int(lab.psql(small, GRANTED)) == 32 * MEBIBYTE
