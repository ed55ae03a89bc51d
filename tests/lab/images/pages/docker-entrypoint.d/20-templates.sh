#!/bin/sh
# Fills in /etc/nginx/templates/*.template from the environment, where there are any, below /etc/nginx/conf.d.
set -e

templates="${NGINX_ENVSUBST_TEMPLATE_DIR:-/etc/nginx/templates}"
suffix="${NGINX_ENVSUBST_TEMPLATE_SUFFIX:-.template}"
output="${NGINX_ENVSUBST_OUTPUT_DIR:-/etc/nginx/conf.d}"
[ -d "$templates" ] || exit 0
if [ ! -w "$output" ]; then
  echo "$0: ERROR: $templates exists, but $output is not writable"
  exit 0
fi
# shellcheck disable=SC2016
names="$(env | awk -F= -v filter="${NGINX_ENVSUBST_FILTER:-}" '$1 ~ /^[A-Za-z_]+$/ && $1 ~ filter { printf "${%s} ", $1 }')"
find "$templates" -follow -type f -name "*$suffix" | while read -r template; do
  target="$output/${template#"$templates/"}"
  target="${target%"$suffix"}"
  mkdir -p "$(dirname "$target")"
  envsubst "$names" < "$template" > "$target"
done
