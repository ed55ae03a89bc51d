#!/bin/bash
# Healthy: the server takes connections and no page of the database failed its checksum (as Immich's own check asks).
# shellcheck source=tests/lab/images/postgres/secrets.sh
. /usr/local/bin/secrets.sh

pg_isready --dbname="$POSTGRES_DB" --username="$POSTGRES_USER" || exit $?
failures="$(psql --dbname="$POSTGRES_DB" --username="$POSTGRES_USER" --tuples-only --no-align \
  --command='SELECT coalesce(sum(checksum_failures), 0) FROM pg_stat_database')"
if [[ $failures != 0 ]]; then
  echo "checksum failure count is $failures"
  exit 1
fi
