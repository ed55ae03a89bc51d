"""immich-admin: the command of the real image by which an operator gives the admin another password."""

import asyncio
import os
import sys

from photo_server import database
from photo_server.credentials import hash_password, new_token
from photo_server.environment import read_environment
from photo_server.errors import StartError
from photo_server.records import User
from photo_server.store import Store


def ask(admin: User) -> str:
    """The password that the operator chooses, or none; raises StartError where there is no terminal to ask at."""
    if not sys.stdin.isatty():
        raise StartError("The question is for somebody at a terminal")
    print(f"Found Admin:\n- ID={admin.id}\n- OAuth ID=\n- Email={admin.email}\n- Name={admin.name}")
    return input("? Please choose a new password (optional) ")


async def reset_admin_password(store: Store) -> None:
    """Asks for a password and stores it; sessions go on, as in the real command. Raises StartError without an admin."""
    admin = next((user for user in await store.users() if user.is_admin), None)
    if admin is None:
        raise StartError("Admin account does not exist")
    provided = ask(admin)
    password = provided or new_token()[:32]
    await store.update_user(admin.id, {"password": await asyncio.to_thread(hash_password, password)})
    print("The admin password has been updated" + ("." if provided else f" to:\n{password}"))


async def run() -> None:
    """Connects to the database of the environment and resets the password. Raises StartError."""
    store = Store(await database.connect(read_environment(os.environ).database))
    try:
        await reset_admin_password(store)
    finally:
        await store.close()


def main(arguments: list[str]) -> int:
    """The exit code: 1 for an unknown command; a reset that fails says so and ends with 0, as the real one does."""
    if arguments != ["reset-admin-password"]:
        print(f"error: unknown command {' '.join(arguments)!r}", file=sys.stderr)
        return 1
    try:
        asyncio.run(run())
    except (StartError, EOFError) as error:
        print(f"{error}\nUnable to reset admin password", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
