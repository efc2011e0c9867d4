import asyncio
import time
from dataclasses import replace

from omnihub.settings import Server, Settings
from omnihub.unified_view import passwords
from omnihub.unified_view.deps import Deps
from tests.unified_view.browser import CHEAP_HASH, PASSWORD, Answer, Browser, Hub
from tests.unified_view.conftest import StartHub


async def sign_in(hub: Hub, email: str, password: str = PASSWORD, **headers: str) -> tuple[Browser, Answer]:
    visitor = hub.visitor()
    return visitor, await visitor.post("/session", {"email": email, "password": password}, headers=headers)


async def test_signing_in_gives_a_cookie_that_scripts_cannot_read(hub: Hub) -> None:
    user = await hub.user()
    visitor, answer = await sign_in(hub, user["email"].upper())
    assert answer.status == 200
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "Secure" not in cookie
    visitor.csrf = answer.json["csrf"]
    assert (await visitor.get("/session")).json == answer.json
    assert "password_hash" not in answer.json["user"]
    assert (await visitor.delete("/session")).status == 204
    assert (await visitor.get("/session")).problem["code"] == "not_signed_in"


async def test_the_cookie_is_secure_behind_https(start: StartHub, settings: Settings, deps: Deps) -> None:
    https = settings.model_copy(update={"server": Server(public_url="https://hub.example.test")})
    hub = await start(replace(deps, settings=https))
    user = await hub.user()
    _, answer = await sign_in(hub, user["email"])
    assert "Secure" in answer.headers["Set-Cookie"]
    assert answer.headers["Strict-Transport-Security"]


async def test_a_weak_hash_is_made_strong_at_the_next_sign_in(hub: Hub) -> None:
    user = await hub.user()
    await sign_in(hub, user["email"])
    stored = (await hub.deps.store.users.get(user["_id"]))["password_hash"]
    assert stored != CHEAP_HASH
    assert await passwords.matches(stored, PASSWORD)
    assert not passwords.is_outdated(stored)


async def test_an_unknown_user_takes_as_long_to_refuse_as_a_known_one(hub: Hub) -> None:
    user = await hub.user(password_hash=await passwords.hash_password(PASSWORD))

    async def times(email: str) -> float:
        """Processor seconds, all threads together: this machine may be busy with other things."""
        taken = []
        for _ in range(3):
            started = time.process_time()
            _, answer = await sign_in(hub, email, "wrong password")
            taken.append(time.process_time() - started)
            assert answer.problem["code"] == "bad_login"
        return min(taken)

    known, unknown = await times(user["email"]), await times("nobody@example.test")
    assert 0.4 < unknown / known < 2.5


async def test_an_inactive_user_is_refused_and_out_at_once(hub: Hub, admin: Browser, agent: Browser) -> None:
    assert (await agent.get("/tickets")).status == 200
    await admin.patch(f"/users/{agent.user['_id']}", {"active": False})
    assert (await agent.get("/tickets")).status == 401
    _, answer = await sign_in(hub, agent.user["email"])
    assert answer.problem["code"] == "bad_login"


async def test_guessing_is_slowed_down_and_success_clears_the_count(hub: Hub, settings: Settings) -> None:
    user = await hub.user()
    attempts = settings.security.login_attempts
    for _ in range(attempts - 1):
        _, answer = await sign_in(hub, user["email"], "wrong password")
        assert answer.status == 401
    _, answer = await sign_in(hub, user["email"])
    assert answer.status == 200
    for _ in range(attempts):
        await sign_in(hub, user["email"], "wrong password")
    _, answer = await sign_in(hub, user["email"], **{"Accept-Language": "zh-CN"})
    assert answer.status == 429
    assert 0 < int(answer.headers["Retry-After"]) <= settings.security.login_window_seconds
    assert answer.problem["code"] == "throttled"
    assert "登录尝试次数过多" in answer.problem["detail"]


async def test_a_forwarded_address_counts_only_from_a_trusted_proxy(
    start: StartHub, settings: Settings, deps: Deps
) -> None:
    behind = settings.model_copy(update={"server": Server(trusted_proxies=["127.0.0.0/8", "10.0.0.0/8"])})
    hub = await start(replace(deps, settings=behind))
    user = await hub.user()
    for _ in range(settings.security.login_attempts + 1):
        _, answer = await sign_in(hub, user["email"], "wrong", **{"X-Forwarded-For": "198.51.100.7, 10.0.0.9"})
    assert answer.status == 429
    _, elsewhere = await sign_in(hub, user["email"], "wrong", **{"X-Forwarded-For": "198.51.100.8, 10.0.0.9"})
    assert elsewhere.status == 401
    open_hub = await start()
    other = await open_hub.user()
    for n in range(settings.security.login_attempts + 1):
        _, answer = await sign_in(open_hub, other["email"], "wrong", **{"X-Forwarded-For": f"198.51.100.{n}"})
    assert answer.status == 429


async def test_a_change_without_the_csrf_token_is_refused(agent: Browser) -> None:
    agent.csrf = ""
    for given in ({}, {"X-CSRF-Token": ""}, {"X-CSRF-Token": "wrong"}, {"X-CSRF-Token": "\xe9"}):
        answer = await agent.patch("/me", {"name": "Mallory"}, headers=given)
        assert answer.status == 403
        assert answer.problem["code"] == "csrf"
    assert (await agent.get("/session")).json["user"]["name"] == "The agent"


async def test_another_website_cannot_sign_somebody_in(hub: Hub) -> None:
    user = await hub.user()
    _, answer = await sign_in(hub, user["email"], Origin="https://evil.example.com")
    assert answer.problem["code"] == "foreign_origin"
    _, answer = await sign_in(hub, user["email"], Origin=str(hub.server.make_url("/")).rstrip("/"))
    assert answer.status == 200


async def test_a_new_password_needs_the_old_one_and_ends_other_sessions(hub: Hub) -> None:
    user = await hub.user()
    here, answer = await sign_in(hub, user["email"])
    here.csrf = answer.json["csrf"]
    there, _ = await sign_in(hub, user["email"])
    wrong = await here.patch("/me", {"new_password": "a new password", "current_password": "guess"})
    assert wrong.status == 422
    assert list(wrong.problem["fields"]) == ["current_password"]
    short = await here.patch("/me", {"new_password": "short", "current_password": PASSWORD})
    assert list(short.problem["fields"]) == ["new_password"]
    assert (
        await here.patch("/me", {"new_password": "a new password", "current_password": PASSWORD})
    ).status == 200
    assert (await here.get("/session")).status == 200
    assert (await there.get("/session")).status == 401
    _, old = await sign_in(hub, user["email"])
    assert old.status == 401
    _, new = await sign_in(hub, user["email"], "a new password")
    assert new.status == 200


async def test_generated_passwords_are_long_and_readable() -> None:
    made = {passwords.generate() for _ in range(200)}
    assert len(made) == 200
    assert all(len(one) == 23 and not set(one) & set("0o1liuv") for one in made)


async def test_hashing_does_not_hold_up_the_hub(hub: Hub, agent: Browser) -> None:
    user = await hub.user(password_hash=await passwords.hash_password(PASSWORD))
    attempts = [asyncio.create_task(sign_in(hub, user["email"], "wrong")) for _ in range(6)]
    assert (await asyncio.wait_for(agent.get("/session"), 1)).status == 200
    await asyncio.gather(*attempts)
