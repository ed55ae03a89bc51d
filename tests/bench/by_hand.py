"""The alternative to a tenant: `docker compose up -d --wait` of a stack that a person wrote, with fresh data."""

from __future__ import annotations

import dataclasses
import secrets
from collections.abc import Sequence
from pathlib import Path

from .place import Place

FILE = Path(__file__).parent / "bare" / "compose.yaml"
HOME = "/srv/silo-bench"
TOLD = "bare `docker compose up -d --wait`, fresh data"
MAKE = f"""
for name in "${{@:3}}"; do
  mkdir -p {HOME}/$name
  printf %s "$1" >{HOME}/$name/compose.yaml
  printf %s "$2" >{HOME}/$name/.env
done
"""
# Its containers, its network and all that it keeps.
REMOVE = f"""
for name in "$@"; do
  if [ -d {HOME}/$name ]; then (cd {HOME}/$name; docker compose down --timeout 60 >/dev/null 2>&1); fi
  rm -rf "{HOME}/$name"
done
"""
UP = f'cd {HOME}/"$1"; docker compose up --detach --wait'
LOOP = f"""
workers=$1; shift
printf '%s\\n' "$@" | xargs -P "$workers" -I{{}} sh -c 'cd {HOME}/{{}}; docker compose up --detach --wait'
"""
REST = f'cd {HOME}/"$1"; docker compose stop; docker compose up --detach --wait'
PLACES_SECONDS = 1800
# The photo server writes this row when it has them all.
STATE = "SELECT count(*) FROM system_metadata WHERE \"key\" = 'reverse-geocoding-state'"
PLACES = f"""
cd {HOME}/"$1"
until [ "$(docker compose exec -T database psql -U postgres -d immich -XAtc "$2")" = 1 ]; do
  if [ $SECONDS -ge {PLACES_SECONDS} ]; then echo "no places within {PLACES_SECONDS} s"; exit 1; fi
  sleep 0.2
done
"""


@dataclasses.dataclass(frozen=True)
class ByHand:
    """Stacks on a place's server, each by its name."""

    place: Place

    def make(self, *names: str) -> None:
        """Write the files of stacks that have nothing yet, each with a password of its own."""
        images = self.place.lab["images"]
        for name in names:
            values = {
                "SERVER_IMAGE": images["immich_server"],
                "DATABASE_IMAGE": images["postgres"],
                "VALKEY_IMAGE": images["valkey"],
                "DB_PASSWORD": secrets.token_hex(16),
            }
            env = "".join(f"{key}={value}\n" for key, value in values.items())
            self.remove(name)
            self.place.shell(MAKE, FILE.read_text(), env, name)

    def up(self, name: str) -> float:
        """Seconds until its photo server answers a ping."""
        return self.place.timed(UP, name)

    def places(self, name: str) -> float:
        """Seconds from now until the places of the world are in its database."""
        return self.place.timed(PLACES, name, STATE)

    def all_up(self, workers: int, names: Sequence[str]) -> float:
        """Seconds until the photo servers of all answer a ping, so many stacks at a time."""
        return self.place.timed(LOOP, str(workers), *names)

    def rest(self, name: str) -> float:
        """Seconds for a stop, and a start until its photo server answers a ping."""
        return self.place.timed(REST, name)

    def remove(self, *names: str) -> None:
        """Remove stacks with all that they keep."""
        self.place.shell(REMOVE, *names)
