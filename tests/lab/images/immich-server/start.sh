#!/bin/bash
# As the script of this name in the real image: starts the server, or immich-admin, with its secrets in its environment.
# A variable of these that has a file, named by NAME_FILE or lying in CREDENTIALS_DIRECTORY, gets what the file holds.
# A file that cannot be read leaves it empty, and the start goes on, as there.
for name in DB_URL DB_HOSTNAME DB_DATABASE_NAME DB_USERNAME DB_PASSWORD REDIS_PASSWORD; do
  file_name="${name}_FILE"
  file="${!file_name}"
  if [[ -z $file && -e $CREDENTIALS_DIRECTORY/$name ]]; then
    file="$CREDENTIALS_DIRECTORY/$name"
  fi
  if [[ -n $file ]]; then
    export "$name=$(<"$file")"
    unset "$file_name"
  fi
done

if [[ $1 == immich-admin ]]; then
  exec python3 -m photo_server.admin "${@:2}"
fi
exec python3 -m photo_server "$@"
