#!/bin/bash
# The entry point of Immich's database image: refuses a file system that loses data, writes the configuration into
# /etc/postgresql, exports the secrets, and hands over to the entry point of PostgreSQL. Where /etc/postgresql cannot be
# written to, the container ends with 1.
set -eo pipefail

readonly CONFIGURATION=/etc/postgresql/postgresql.conf

# kind_of_file_system: that of PGDATA, or of the nearest directory above that is there.
kind_of_file_system() {
  local place="$PGDATA"
  until [[ -d $place ]]; do
    place="$(dirname "$place")"
  done
  stat -f -c %T "$place"
}

# configure STORAGE: puts the template for this kind of disk in place; a file that is there already is kept.
configure() {
  cp -n --preserve=mode "/var/postgresql-conf-tpl/postgresql.$1.conf" "$CONFIGURATION"
  sed -i "s@##PGDATA@$PGDATA@" "$CONFIGURATION"
}

kind="$(kind_of_file_system)"
case "$kind" in
  ext2/ext3 | ext4 | xfs | btrfs | zfs | f2fs | tmpfs) ;;
  *)
    if [[ ${IGNORE_DATABASE_FSTYPE,,} != true ]]; then
      echo "ERROR: PGDATA is on '$kind', which is not safe for a PostgreSQL database." >&2
      exit 1
    fi
    echo "WARNING: proceeding on unsafe filesystem '$kind'" >&2
    ;;
esac

storage="${DB_STORAGE_TYPE:-SSD}"
case "${storage,,}" in
  ssd | hdd) configure "${storage,,}" ;;
  *)
    echo "Error: DB_STORAGE_TYPE must be set to 'SSD' or 'HDD'" >&2
    exit 1
    ;;
esac
# shellcheck source=tests/lab/images/postgres/secrets.sh
. secrets.sh
exec docker-entrypoint.sh "$@"
