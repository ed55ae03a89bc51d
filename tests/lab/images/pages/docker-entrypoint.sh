#!/bin/sh
# As in the official image: before nginx, runs what lies in /docker-entrypoint.d, in the order of the names. A script
# that fails ends the start; one that is not executable is left out.
set -e

say() {
  [ -n "${NGINX_ENTRYPOINT_QUIET_LOGS:-}" ] || echo "$0: $*"
}

case "${1:-}" in
  nginx | nginx-debug)
    for script in $(find /docker-entrypoint.d -follow -type f | sort -V); do
      if [ ! -x "$script" ]; then
        say "ignoring $script, it is not executable"
        continue
      fi
      case "$script" in
        *.envsh) say "sourcing $script" && . "$script" ;;
        *.sh) say "launching $script" && "$script" ;;
        *) say "ignoring $script" ;;
      esac
    done
    ;;
esac
exec "$@"
