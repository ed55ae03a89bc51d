# Read by the entry point and by the health check: exports POSTGRES_DB, _USER and _PASSWORD, each from the file that
# NAME_FILE names, else from the variable; Immich's DB_* names count where PostgreSQL's own say nothing.
# shellcheck shell=bash

# export_secret NAME OTHER: exports NAME.
export_secret() {
  local own_file="$1_FILE" other_file="$2_FILE" file value="${!1:-}"
  file="${!own_file:-${!other_file:-}}"
  if [[ -f $file && -s $file ]]; then
    value="$(<"$file")"
  fi
  export "$1=${value:-${!2:-}}"
  unset "$own_file"
}

export_secret POSTGRES_DB DB_DATABASE_NAME
export_secret POSTGRES_USER DB_USERNAME
export_secret POSTGRES_PASSWORD DB_PASSWORD
