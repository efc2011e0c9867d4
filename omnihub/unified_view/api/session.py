import hashlib
from typing import Any

from aiohttp import web

from omnihub.model.documents import UserDoc
from omnihub.unified_view import callers, passwords, views
from omnihub.unified_view.addresses import client_ip
from omnihub.unified_view.deps import Deps
from omnihub.unified_view.endpoint import Api, Call
from omnihub.unified_view.problems import Problem
from omnihub.unified_view.serving import json_response
from omnihub.unified_view.shapes import people
from omnihub.unified_view.words import duration

api = Api("session")

# One address may try this many times as often as one address may for one user: offices share theirs.
_PER_ADDRESS = 5


@api.post("/session", "Sign in", "登录", role="anybody", answer=people.Session, errors=("bad_login", "throttled"))
async def sign_in(call: Call[people.Credentials]) -> web.Response:
    """Sets the session cookie. The answer's `csrf` goes back as X-CSRF-Token with every call that changes
    something."""
    security, store = call.deps.settings.security, call.deps.store
    address = client_ip(call.request, call.deps.settings.server.trusted_proxies)
    key = _throttle_key(call.given.email, address)
    await _throttle(call, key, security.login_attempts)
    await _throttle(call, f"login-address:{address}", security.login_attempts * _PER_ADDRESS)
    user = await _checked(call.deps, call.given)
    if user is None:
        raise Problem("bad_login")
    await store.limits.clear(key, security.login_window_seconds)
    if earlier := call.request.cookies.get(callers.COOKIE):
        await store.sessions.end(earlier)
    token, csrf = await store.sessions.start(user["_id"], security.session_hours)
    response = json_response(call.request, views.dumps({"user": views.user(user), "csrf": csrf}))
    response.set_cookie(
        callers.COOKIE,
        token,
        max_age=round(security.session_hours * 3600),
        httponly=True,
        samesite="Lax",
        secure=call.deps.settings.public_url.startswith("https:"),
        path="/",
    )
    return response


def _throttle_key(email: str, address: str) -> str:
    return "login:" + hashlib.sha256(f"{email.strip().lower()}\0{address}".encode("utf-8", "replace")).hexdigest()


async def _throttle(call: Call[Any], key: str, attempts: int) -> None:
    wait = await call.deps.store.limits.hit(key, attempts, call.deps.settings.security.login_window_seconds)
    if wait:
        raise Problem(
            "throttled", wait=duration(wait, call.language), headers={"Retry-After": str(max(1, round(wait)))}
        )


async def _checked(deps: Deps, given: people.Credentials) -> UserDoc | None:
    user = await deps.store.users.by_email(given.email)
    right = await passwords.matches(user["password_hash"] if user else None, given.password)
    if user is None or not right or not user["active"]:
        return None
    if passwords.is_outdated(user["password_hash"]):
        fresh = await passwords.hash_password(given.password)
        await deps.store.users.change(user["_id"], {"password_hash": fresh})
    return user


@api.get("/session", "Who is signed in", "当前登录用户", answer=people.Session)
async def current_session(call: Call[None]) -> views.Doc:
    return {"user": views.user(call.caller.user), "csrf": call.caller.csrf}


@api.delete("/session", "Sign out", "退出登录", role="readonly")
async def sign_out(call: Call[None]) -> web.Response:
    if call.caller.session:
        await call.deps.store.sessions.end(call.caller.session)
    response = web.Response(status=204)
    response.del_cookie(callers.COOKIE, path="/")
    return response


@api.patch(
    "/me",
    "Change one's own profile or password",
    "修改个人资料或密码",
    role="readonly",
    answer=people.User,
    errors=("invalid",),
)
async def change_profile(call: Call[people.ProfileChange]) -> views.Doc:
    """A new password needs the current one, and ends all other sessions."""
    given, caller, store = call.given, call.caller, call.deps.store
    changes: dict[str, Any] = given.model_dump(include={"name", "locale"}, exclude_none=True)
    if given.new_password is not None:
        await _throttle(call, f"password:{caller.id}", call.deps.settings.security.login_attempts)
        if not await passwords.matches(caller.user["password_hash"], given.current_password or ""):
            wrong = {"en": "is not the current password", "zh-CN": "与当前密码不符"}[call.language]
            raise Problem("invalid", fields={"current_password": wrong})
        changes["password_hash"] = await passwords.hash_password(given.new_password)
    user = await store.users.change(caller.id, changes) if changes else caller.user
    if given.new_password is not None:
        await store.sessions.end_all(caller.id, but=caller.session)
    return views.user(user)
