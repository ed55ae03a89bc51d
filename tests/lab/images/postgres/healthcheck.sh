#!/bin/bash
# Healthy: the server takes connections and no page of the database failed its checksum (as Immich's own check asks).
set -Eeuo pipefail

user="${POSTGRES_USER:-postgres}"
database="${POSTGRES_DB:-$user}"
failures="$(psql --no-psqlrc -qtAX -U "$user" -d "$database" \
  -c 'SELECT coalesce(sum(checksum_failures), 0) FROM pg_stat_database')"
[[ $failures == 0 ]] || { echo "$failures pages failed their checksum"; exit 1; }
