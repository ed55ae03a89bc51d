#!/bin/bash
# As the entry point of PostgreSQL's official image, step by step: makes the cluster where PGDATA has none, runs what
# lies in /docker-entrypoint-initdb.d, and becomes the server. PG_VERSION comes first: a start that is cut off after it
# leaves a cluster that counts as made, and does not work.
set -Eeo pipefail

# from_file NAME DEFAULT: exports NAME, of its own value or of what the file named by NAME_FILE holds.
from_file() {
  local file_name="$1_FILE" value="${!1:-}"
  if [[ -n $value && -n ${!file_name:-} ]]; then
    echo "error: both $1 and $file_name are set (but are exclusive)" >&2
    exit 1
  fi
  if [[ -z $value && -n ${!file_name:-} ]]; then
    value="$(<"${!file_name}")"
  fi
  export "$1=${value:-${2:-}}"
  unset "$file_name"
}

# prepare_folders: owned by who runs, as far as that can be; PostgreSQL itself says what is wrong with them.
prepare_folders() {
  mkdir -p "$PGDATA"
  chmod 0700 "$PGDATA" || true
  mkdir -p /var/run/postgresql || true
  chmod 03775 /var/run/postgresql || true
  if [[ $(id -u) == 0 ]]; then
    find "$PGDATA" /var/run/postgresql ! -user postgres -exec chown postgres {} +
  fi
}

# run_initdb: initdb asks for the name of its own user; where a uid has none, a library answers in its place.
run_initdb() {
  local passwd='' group='' library
  library="$(printf '%s\n' /usr/lib/*/libnss_wrapper.so | head -n 1)"
  if ! getent passwd "$(id -u)" > /dev/null && [[ -s $library ]]; then
    passwd="$(mktemp)" group="$(mktemp)"
    echo "postgres:x:$(id -u):$(id -g):PostgreSQL:$PGDATA:/bin/false" > "$passwd"
    echo "postgres:x:$(id -g):" > "$group"
    export LD_PRELOAD="$library" NSS_WRAPPER_PASSWD="$passwd" NSS_WRAPPER_GROUP="$group"
  fi
  # POSTGRES_INITDB_ARGS is a list of words: it is split on purpose.
  # shellcheck disable=SC2086
  initdb --username="$POSTGRES_USER" --pwfile=<(printf '%s\n' "$POSTGRES_PASSWORD") $POSTGRES_INITDB_ARGS
  if [[ -n $passwd ]]; then
    rm -f "$passwd" "$group"
    unset LD_PRELOAD NSS_WRAPPER_PASSWD NSS_WRAPPER_GROUP
  fi
}

# sql DATABASE ARGUMENT...: runs psql over the socket of the server that is up for the time of the set-up.
sql() {
  PGHOST='' PGHOSTADDR='' psql -v ON_ERROR_STOP=1 --username "$POSTGRES_USER" --no-password --no-psqlrc --dbname "$@"
}

# run_files FILE...: what an operator has put into the image's folder for the first start.
run_files() {
  local file
  for file; do
    case "$file" in
      *.sh) if [[ -x $file ]]; then "$file"; else . "$file"; fi ;;
      *.sql) sql "$POSTGRES_DB" -f "$file" ;;
      *.sql.gz) gunzip -c "$file" | sql "$POSTGRES_DB" ;;
      *.sql.xz) xzcat "$file" | sql "$POSTGRES_DB" ;;
      *.sql.zst) zstd -dc "$file" | sql "$POSTGRES_DB" ;;
      *) echo "$0: ignoring $file" ;;
    esac
  done
}

# make_cluster ARGUMENT...: the arguments are those of the server, which is up meanwhile without a network.
make_cluster() {
  if [[ -z $POSTGRES_PASSWORD && $POSTGRES_HOST_AUTH_METHOD != trust ]]; then
    echo 'Error: Database is uninitialized and superuser password is not specified.' >&2
    exit 1
  fi
  ls /docker-entrypoint-initdb.d > /dev/null
  run_initdb
  local method="${POSTGRES_HOST_AUTH_METHOD:-$(postgres -C password_encryption "$@")}"
  printf '\nhost all all all %s\n' "$method" >> "$PGDATA/pg_hba.conf"

  export PGPASSWORD="${PGPASSWORD:-$POSTGRES_PASSWORD}"
  pg_ctl -D "$PGDATA" -o "$(printf '%q ' "$@" -c listen_addresses= -p "${PGPORT:-5432}")" -w start
  if [[ -z $(sql postgres --set db="$POSTGRES_DB" -tA <<< "SELECT 1 FROM pg_database WHERE datname = :'db'") ]]; then
    sql postgres --set db="$POSTGRES_DB" <<< 'CREATE DATABASE :"db"'
  fi
  shopt -s nullglob
  run_files /docker-entrypoint-initdb.d/*
  PGUSER="${PGUSER:-postgres}" pg_ctl -D "$PGDATA" -m fast -w stop
  unset PGPASSWORD
  echo 'PostgreSQL init process complete; ready for start up.'
}

[[ ${1:-} == -* ]] && set -- postgres "$@"
if [[ ${1:-} == postgres ]]; then
  from_file POSTGRES_PASSWORD
  from_file POSTGRES_USER postgres
  from_file POSTGRES_DB "$POSTGRES_USER"
  from_file POSTGRES_INITDB_ARGS
  prepare_folders
  if [[ $(id -u) == 0 ]]; then
    exec setpriv --reuid=postgres --regid=postgres --init-groups -- "$0" "$@"
  fi
  if [[ -s $PGDATA/PG_VERSION ]]; then
    echo 'PostgreSQL Database directory appears to contain a database; Skipping initialization'
  else
    make_cluster "${@:2}"
  fi
fi
exec "$@"
