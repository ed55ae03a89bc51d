#!/bin/bash
# The entry point of Immich's database image: writes the configuration into /etc/postgresql, exports the secrets, and
# hands over to the entry point of PostgreSQL. Where /etc/postgresql cannot be written to, the container ends with 1.
set -euo pipefail

readonly CONFIGURATION=/etc/postgresql/postgresql.conf

# configure STORAGE: puts the template for this kind of disk in place; a file that is there already is kept.
configure() {
  cp -n --preserve=mode "/var/postgresql-conf-tpl/postgresql.$1.conf" "$CONFIGURATION"
  sed -i "s@##PGDATA@$PGDATA@" "$CONFIGURATION"
}

# export_secret NAME: exports NAME with what the file named by NAME_FILE holds, where there is one.
export_secret() {
  local file_name="$1_FILE" value="${!1:-}"
  if [[ -s ${!file_name:-} ]]; then
    value="$(<"${!file_name}")"
  fi
  export "$1=$value"
  unset "$file_name"
}

storage="${DB_STORAGE_TYPE:-SSD}"
case "${storage,,}" in
  ssd | hdd) configure "${storage,,}" ;;
  *)
    echo "Error: DB_STORAGE_TYPE must be set to 'SSD' or 'HDD'" >&2
    exit 1
    ;;
esac
for name in POSTGRES_DB POSTGRES_USER POSTGRES_PASSWORD; do
  export_secret "$name"
done
exec docker-entrypoint.sh "$@"
