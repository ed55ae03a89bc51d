"""Who calls: sessions by cookie or token, API keys, and the address behind trusted proxies."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiohttp import web

from photo_server.credentials import token_digest
from photo_server.environment import Network
from photo_server.errors import ApiError
from photo_server.proxies import is_trusted
from photo_server.records import ApiKey, User
from photo_server.server import SERVER, Server
from photo_server.store import Store

COOKIE = "immich_access_token"


@dataclass(frozen=True)
class Caller:
    """A user, by a session (its token) or by an API key."""

    user: User
    token: str | None
    api_key: ApiKey | None

    def may(self, permission: str) -> bool:
        """Whether the API key, if it is one, has the permission. Sessions have all."""
        return self.api_key is None or bool({"all", permission} & set(self.api_key.permissions))


@dataclass(frozen=True)
class Call:
    """A request with the server's parts. The caller is there on all routes but the public ones."""

    request: web.Request
    server: Server
    known: Caller | None

    @property
    def store(self) -> Store:
        """The database."""
        return self.server.store

    @property
    def caller(self) -> Caller:
        """The caller of a route that is not public."""
        if self.known is None:
            raise ApiError(401, "Authentication required")
        return self.known

    @property
    def user(self) -> User:
        """The user who calls."""
        return self.caller.user


Handler = Callable[[Call], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class Route:
    """A path and what it needs: a permission ("": only a caller; None: nobody in particular), an admin."""

    method: str
    path: str
    handler: Handler
    permission: str | None = None
    admin: bool = False

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Lets in who may, and answers. Raises ApiError."""
        server = request.app[SERVER]
        caller = None
        if self.permission is not None:
            caller = await identify(request, server.store)
            if self.admin and not caller.user.is_admin:
                raise ApiError(403, "Forbidden")
            if self.permission and not caller.may(self.permission):
                raise ApiError(403, f"Missing required permission: {self.permission}")
        return await self.handler(Call(request, server, caller))


def token_of(request: web.Request) -> str | None:
    """The session token of a request: header x-immich-user-token, bearer token or cookie."""
    scheme, _, bearer = request.headers.get("Authorization", "").partition(" ")
    return (
        request.headers.get("x-immich-user-token")
        or request.headers.get("x-immich-session-token")
        or (bearer.strip() if scheme.lower() == "bearer" else None)
        or request.cookies.get(COOKIE)
    )


async def identify(request: web.Request, store: Store) -> Caller:
    """The caller. Raises ApiError 401 for nobody, and for a key or token that nothing knows."""
    if secret := request.headers.get("x-api-key") or request.query.get("apiKey"):
        api_key = await store.api_key(token_digest(secret))
        user = await store.user(api_key.user_id) if api_key else None
        if api_key is None or user is None or user.deleted_at:
            raise ApiError(401, "Invalid API key")
        return Caller(user, None, api_key)
    token = token_of(request)
    if token is None:
        raise ApiError(401, "Authentication required")
    user = await store.user_of_session(token_digest(token))
    if user is None:
        raise ApiError(401, "Invalid user token")
    return Caller(user, token, None)


def is_https(request: web.Request, trusted: tuple[Network, ...]) -> bool:
    """Whether the client speaks TLS, as a trusted proxy says."""
    return is_trusted(request.remote or "", trusted) and request.headers.get("X-Forwarded-Proto") == "https"
