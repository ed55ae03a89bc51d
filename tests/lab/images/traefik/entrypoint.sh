#!/bin/sh
# As in the official image: options and sub-commands of Traefik may come without its name, other commands run as given.
set -eu

case "${1:-}" in
  -* | healthcheck | version) set -- traefik "$@" ;;
esac
exec "$@"
