#!/bin/bash
# Makes the cluster at the first start, then becomes the server. Keeps the environment of the official image:
# POSTGRES_USER, POSTGRES_PASSWORD, POSTGRES_DB, POSTGRES_INITDB_ARGS, PGDATA. immich-docker-entrypoint.sh reads *_FILE.
set -Eeuo pipefail

fail() {
  echo "docker-entrypoint.sh: $*" >&2
  exit 1
}

# initdb and the single-user mode ask for the name of their own user; a uid chosen by Compose has none. The library
# answers in its place.
name_this_user() {
  getent passwd "$(id -u)" > /dev/null && return
  local passwd group
  passwd="$(mktemp)" group="$(mktemp)"
  echo "postgres:x:$(id -u):$(id -g):PostgreSQL:$PGDATA:/bin/false" > "$passwd"
  echo "postgres:x:$(id -g):" > "$group"
  export LD_PRELOAD=libnss_wrapper.so NSS_WRAPPER_PASSWD="$passwd" NSS_WRAPPER_GROUP="$group"
  trap 'rm -f "$NSS_WRAPPER_PASSWD" "$NSS_WRAPPER_GROUP"' EXIT
}

# single DATABASE: runs the SQL on standard input without a server. Errors stop; chatter does not reach the log.
single() {
  postgres --single -j -D "$1" -c exit_on_error=on -c log_checkpoints=off "$2" > /dev/null
}

# The cluster is made in a folder beside its place and moved up; PG_VERSION moves last. So PG_VERSION in PGDATA means
# complete, and a start after a kill at any moment before that begins afresh: nobody has ever written to it.
# In a subshell: the server itself runs without the library.
make_cluster() (
  local new="$PGDATA/.new" user="${POSTGRES_USER:-postgres}" password="${POSTGRES_PASSWORD:-}"
  local database="${POSTGRES_DB:-$user}"
  [[ -n $password ]] || fail 'POSTGRES_PASSWORD or POSTGRES_PASSWORD_FILE must be set for the first start'
  if [[ -n $(ls -A "$PGDATA") && ! -d $new ]]; then
    fail "$PGDATA holds something else than a cluster; nothing was changed"
  fi
  find "$PGDATA" -mindepth 1 -not -path "$new" -not -path "$new/*" -delete
  rm -rf "$new" && mkdir -m 0700 "$new"
  name_this_user

  # POSTGRES_INITDB_ARGS is a list of words: it is split on purpose.
  # shellcheck disable=SC2086
  initdb -D "$new" --username="$user" --pwfile=<(printf '%s\n' "$password") \
    --encoding=UTF8 --auth-local=trust --auth-host=scram-sha-256 ${POSTGRES_INITDB_ARGS:-} > /dev/null
  printf '\nhost all all all scram-sha-256\n' >> "$new/pg_hba.conf"
  if [[ $database != postgres ]]; then
    single "$new" postgres <<< "CREATE DATABASE \"$database\";"
  fi

  find "$new" -mindepth 1 -maxdepth 1 -not -name PG_VERSION -exec mv -t "$PGDATA" {} +
  sync -f "$PGDATA"
  mv "$new/PG_VERSION" "$PGDATA/"
  sync -f "$PGDATA"
  echo "docker-entrypoint.sh: made the cluster in $PGDATA with the database $database"
)

[[ ${1:-} == -* ]] && set -- postgres "$@"
if [[ ${1:-} == postgres ]]; then
  [[ $(id -u) != 0 ]] || fail 'PostgreSQL does not run as root: give a user'
  chmod 0700 "$PGDATA" || fail "$PGDATA belongs to another user than $(id -u)"
  [[ -e $PGDATA/PG_VERSION ]] || make_cluster
  rmdir "$PGDATA/.new" 2> /dev/null || [[ ! -e $PGDATA/.new ]] || fail "$PGDATA/.new is not empty"
fi
exec "$@"
