"""The entry point of the stand-in for the database: what it writes at its start, and where it must be able to."""

import os
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[4]
IMAGE = ROOT / "tests" / "lab" / "images" / "postgres"
# What PostgreSQL's own entry point would get: its arguments, its environment, and the configuration.
STAND_IN = """#!/bin/sh
printf '%s\\n' "$@"
env
cat /etc/postgresql/postgresql.conf
stat -c 'mode %a' /etc/postgresql/postgresql.conf
"""
# A container's root: this machine's programs, the templates of the image, and nothing to write to but what is mounted.
SCRIPT = """
root=$1 image=$2; shift 2
mount --make-rprivate /
mount -t tmpfs -o mode=755 tmpfs "$root"
mkdir -p "$root/usr" "$root/dev" "$root/entry" "$root/etc/postgresql" "$root/var/postgresql-conf-tpl"
for name in bin lib lib64; do ln -s "usr/$name" "$root/$name"; done
mount --rbind /usr "$root/usr"
cp "$image"/*.conf "$root/var/postgresql-conf-tpl/"
cp "$image/immich-docker-entrypoint.sh" "$image/secrets.sh" "$root/entry/"
printf '%s' "$STAND_IN" >"$root/entry/docker-entrypoint.sh"
chmod 0755 "$root"/entry/*.sh
printf 's3cret\\n' >"$root/entry/password"
if [ -n "${KIND:-}" ]; then  # what `stat` says of the file system of PGDATA
  printf '#!/bin/sh\\n[ "$1" != -f ] || echo "$KIND"\\n' >"$root/entry/stat"
  chmod 0755 "$root/entry/stat"
fi
chmod 1777 "$root/etc/postgresql"
mount -o remount,ro "$root"
for place in "$@"; do mount -t tmpfs -o "${place#*:}" tmpfs "$root${place%%:*}"; done
export PATH=/entry:/usr/sbin:/usr/bin
exec chroot --userspec=200001:200001 "$root" immich-docker-entrypoint.sh postgres -cjit=off
"""

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="root alone mounts")


@pytest.fixture(scope="module")
def in_memory():
    """What the Compose file of a tenant has in memory below /etc, as mount takes it."""
    text = (ROOT / "roles" / "tenant" / "files" / "compose.yaml").read_text()
    return [place for place in yaml.safe_load(text)["services"]["database"]["tmpfs"] if place.startswith("/etc/")]


@pytest.fixture
def start(tmp_path):
    """Gives a function that runs the entry point as the user of a tenant, with a root that is read-only."""

    def run(places, **environment):
        given = {"STAND_IN": STAND_IN, "PATH": os.environ["PATH"], "PGDATA": "/pgdata"}
        return subprocess.run(
            ["unshare", "--mount", "sh", "-euc", SCRIPT, "sh", str(tmp_path), str(IMAGE), *places],
            env=given | environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    return run


def test_without_a_place_in_memory_it_does_not_start(start):
    ended = start([])
    assert ended.returncode == 1
    assert "cannot create regular file '/etc/postgresql/postgresql.conf': Read-only file system" in ended.stderr


def test_with_what_the_compose_file_has_it_starts(start, in_memory):
    started = start(in_memory)
    assert (started.returncode, started.stderr) == (0, "")
    assert started.stdout.startswith("postgres\n-cjit=off\n")
    assert "include_if_exists '/pgdata/postgresql.conf'\n" in started.stdout
    last = (
        "include_if_exists 'postgresql.override.conf'\ninclude_if_exists '/pgdata/postgresql.override.conf'\nmode 644\n"
    )
    assert started.stdout.endswith(last)


@pytest.mark.parametrize(("storage", "is_fast"), [("", True), ("SSD", True), ("ssd", True), ("HDD", False)])
def test_the_configuration_is_that_of_the_disk(start, in_memory, storage, is_fast):
    started = start(in_memory, DB_STORAGE_TYPE=storage)
    assert ("random_page_cost" in started.stdout) == is_fast
    assert "shared_buffers" in started.stdout


def test_a_disk_of_another_kind_is_refused(start, in_memory):
    ended = start(in_memory, DB_STORAGE_TYPE="tape")
    assert (ended.returncode, ended.stderr) == (1, "Error: DB_STORAGE_TYPE must be set to 'SSD' or 'HDD'\n")


def test_the_server_has_its_password_in_its_environment(start, in_memory):
    """As the official one has: its entry point exports what the file holds."""
    told = start(in_memory, POSTGRES_PASSWORD_FILE="/entry/password", POSTGRES_USER="immich").stdout.splitlines()
    assert {"POSTGRES_PASSWORD=s3cret", "POSTGRES_USER=immich"} <= set(told)
    assert not [line for line in told if line.startswith("POSTGRES_PASSWORD_FILE=")]


def test_immichs_own_names_count_where_those_of_postgresql_say_nothing(start, in_memory):
    names = {"DB_USERNAME": "hans", "DB_PASSWORD_FILE": "/entry/password", "DB_DATABASE_NAME": "photos"}
    told = start(in_memory, POSTGRES_DB="immich", **names).stdout.splitlines()
    assert {"POSTGRES_USER=hans", "POSTGRES_PASSWORD=s3cret", "POSTGRES_DB=immich"} <= set(told)


@pytest.mark.parametrize("kind", ["nfs", "overlayfs", "fuseblk", "UNKNOWN (0x1)"])
def test_a_file_system_that_loses_data_is_refused(start, in_memory, kind):
    ended = start(in_memory, KIND=kind)
    said = f"ERROR: PGDATA is on '{kind}', which is not safe for a PostgreSQL database.\n"
    assert (ended.returncode, ended.stderr) == (1, said)
    assert start(in_memory, KIND=kind, IGNORE_DATABASE_FSTYPE="true").returncode == 0


@pytest.mark.parametrize("kind", ["ext2/ext3", "xfs", "btrfs", "zfs", "f2fs", "tmpfs"])
def test_a_disk_of_the_server_is_taken(start, in_memory, kind):
    assert start(in_memory, KIND=kind).returncode == 0
