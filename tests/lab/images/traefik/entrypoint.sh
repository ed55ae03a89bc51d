#!/bin/sh
# As in the official image: options and sub-commands of Traefik may come without its name, other commands run as given.
# Whether a word is a sub-command, Traefik itself is asked: each start runs it twice.
set -e

case "${1:-}" in
  -*) set -- traefik "$@" ;;
esac
if traefik "$1" --help > /dev/null 2>&1; then
  set -- traefik "$@"
else
  echo "= '$1' is not a Traefik command: assuming shell execution." >&2
fi
exec "$@"
