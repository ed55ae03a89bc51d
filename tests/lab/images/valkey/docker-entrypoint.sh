#!/bin/sh
# Becomes the server (or any other command). Arguments that begin with a dash, or a .conf file, are the server's.
set -eu

case "${1:-}" in
  -* | *.conf) set -- valkey-server "$@" ;;
esac

# Without a configuration file the official image answers other hosts too (its build has protected mode off).
if [ "$*" = valkey-server ]; then
  set -- valkey-server --protected-mode no
fi

umask 0077 # dumps hold the queue's data
exec "$@"
