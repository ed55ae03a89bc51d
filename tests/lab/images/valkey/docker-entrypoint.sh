#!/bin/sh
# As in the official image: becomes the server (or any other command), as the user valkey where it was started as root.
# Another user who cannot write to the folder of the data is refused. Arguments that begin with a dash, or a .conf file,
# are the server's.
set -e

case "${1:-}" in
  -* | *.conf) set -- valkey-server "$@" ;;
esac
if [ "${1:-}" = valkey-server ] && [ "$(id -u)" = 0 ]; then
  find . ! -user valkey -exec chown valkey {} +
  exec setpriv --reuid=valkey --regid=valkey --clear-groups -- "$0" "$@"
elif [ "${1:-}" = valkey-server ] && [ ! -w . ]; then
  echo "error: directory is not writable by current user ($(id -u))" >&2
  exit 1
fi

# The build of the official image has protected mode off, so that without a configuration it answers other hosts too.
if [ "$*" = valkey-server ]; then
  set -- valkey-server --protected-mode no
fi
if [ "$(umask)" = 0022 ]; then
  umask 0077 # dumps hold the queue's data
fi
# VALKEY_EXTRA_FLAGS is a list of words: it is split on purpose.
# shellcheck disable=SC2086
exec "$@" ${VALKEY_EXTRA_FLAGS:-}
