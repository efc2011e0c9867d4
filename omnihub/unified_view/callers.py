import hmac
from collections.abc import Mapping
from dataclasses import dataclass

from aiohttp import web

from omnihub.model.documents import ActorDoc, Role, UserDoc
from omnihub.model.errors import NotFound
from omnihub.store.store import Store
from omnihub.unified_view.problems import Problem
from omnihub.unified_view.shapes.common import Scope

COOKIE = "omnihub_session"
_RANK: Mapping[Role, int] = {"readonly": 0, "agent": 1, "supervisor": 2, "admin": 3}
# A wider scope includes the narrower ones.
_INCLUDED_IN: Mapping[Scope, frozenset[str]] = {
    "read": frozenset({"read", "write", "admin"}),
    "write": frozenset({"write", "admin"}),
    "admin": frozenset({"admin"}),
}


@dataclass(slots=True, frozen=True, kw_only=True)
class Caller:
    """`scopes` is None for a person in a browser, whose `session` and `csrf` tokens then are set."""

    user: UserDoc
    scopes: frozenset[str] | None = None
    session: str = ""
    csrf: str = ""

    @property
    def id(self) -> str:
        return self.user["_id"]

    @property
    def actor(self) -> ActorDoc:
        return ActorDoc(kind="user", id=self.user["_id"], name=self.user["name"])

    def is_at_least(self, role: Role) -> bool:
        return _RANK[self.user["role"]] >= _RANK[role]

    def require(self, role: Role, scope: Scope) -> None:
        if self.scopes is not None and not self.scopes & _INCLUDED_IN[scope]:
            raise Problem("scope_missing", scope=scope)
        if not self.is_at_least(role):
            raise Problem("forbidden")

    def require_csrf(self, request: web.Request) -> None:
        """A browser sends the cookie by itself, but only our own page knows this second secret."""
        if self.scopes is not None:
            return
        given = request.headers.get("X-CSRF-Token", "")
        if not hmac.compare_digest(given.encode("utf-8", "replace"), self.csrf.encode()):
            raise Problem("csrf")


async def identify(store: Store, request: web.Request) -> Caller | None:
    """Who calls; None for nobody. Raises Problem for a token that is not accepted."""
    authorization = request.headers.get("Authorization")
    if authorization is not None:
        return await _by_token(store, authorization)
    cookie = request.cookies.get(COOKIE)
    return await by_session(store, cookie) if cookie else None


async def by_session(store: Store, token: str) -> Caller | None:
    session = await store.sessions.find(token)
    user = await _active_user(store, session["user_id"]) if session else None
    if session is None or user is None:
        return None
    return Caller(user=user, session=token, csrf=session["csrf"])


async def _by_token(store: Store, authorization: str) -> Caller:
    kind, _, token = authorization.partition(" ")
    found = await store.sessions.find_token(token.strip()) if kind.lower() == "bearer" else None
    user = await _active_user(store, found["user_id"]) if found else None
    if found is None or user is None:
        raise Problem("bad_token", headers={"WWW-Authenticate": 'Bearer error="invalid_token"'})
    return Caller(user=user, scopes=frozenset(found["scopes"]))


async def _active_user(store: Store, user_id: str) -> UserDoc | None:
    try:
        user = await store.users.get(user_id)
    except NotFound:
        return None
    return user if user["active"] else None
