from collections.abc import Sequence

from omnihub.model.errors import Conflict
from omnihub.unified_view import passwords, views
from omnihub.unified_view.endpoint import Api, Call
from omnihub.unified_view.problems import Problem
from omnihub.unified_view.shapes import people

api = Api("people")


@api.get("/users", "All users", "用户列表", answer=people.Users)
async def list_users(call: Call[None]) -> views.Doc:
    return {"items": [views.user(user) for user in await call.deps.store.users.all()]}


@api.post(
    "/users",
    "Add a user",
    "新增用户",
    role="admin",
    answer=people.CreatedUser,
    status=201,
    once=True,
    errors=("email_taken", "invalid"),
)
async def add_user(call: Call[people.NewUser]) -> views.Doc:
    """Without a password one is generated. It is answered this once."""
    given = call.given
    password = given.password or passwords.generate()
    password_hash = await passwords.hash_password(password)
    try:
        user = await call.deps.store.users.add(
            email=given.email, name=given.name, role=given.role, password_hash=password_hash, locale=given.locale
        )
    except Conflict:
        raise Problem("email_taken") from None
    return {"user": views.user(user), "password": password}


@api.patch(
    "/users/{id}",
    "Change a user",
    "修改用户",
    role="admin",
    answer=people.User,
    errors=("not_found", "last_admin"),
)
async def change_user(call: Call[people.UserChange]) -> views.Doc:
    """A user who becomes inactive is out at once, everywhere."""
    users = call.deps.store.users
    before = await users.get(call.id)
    changes = call.given.model_dump(exclude_none=True)
    user = await users.change(call.id, changes) if changes else before
    # Checked afterwards and taken back: of two admins who demote each other at once neither may succeed.
    if before["role"] == "admin" and before["active"] and await users.count_admins() == 0:
        await users.change(call.id, {"role": before["role"], "active": before["active"]})
        raise Problem("last_admin")
    if not user["active"]:
        await call.deps.store.sessions.end_all(call.id)
    return views.user(user)


@api.post(
    "/users/{id}/reset",
    "Give a user a new password",
    "重置用户密码",
    role="admin",
    answer=people.GeneratedPassword,
    once=True,
    errors=("not_found",),
)
async def reset_password(call: Call[None]) -> views.Doc:
    """Ends all of the user's sessions. The password is answered this once."""
    await call.deps.store.users.get(call.id)
    password = passwords.generate()
    await call.deps.store.users.change(call.id, {"password_hash": await passwords.hash_password(password)})
    await call.deps.store.sessions.end_all(call.id)
    return {"password": password}


@api.get("/teams", "All teams", "团队列表", answer=people.Teams)
async def list_teams(call: Call[None]) -> views.Doc:
    return {"items": [views.team(team) for team in await call.deps.store.users.teams()]}


async def _require_users(call: Call[people.NewTeam] | Call[people.TeamChange], ids: Sequence[str]) -> None:
    known = {user["_id"] for user in await call.deps.store.users.all()}
    missing = [one for one in ids if one not in known]
    if missing:
        words = {"en": "no such user: ", "zh-CN": "没有该用户："}[call.language]
        raise Problem("invalid", fields={"member_ids": words + ", ".join(missing)})


@api.post(
    "/teams",
    "Add a team",
    "新增团队",
    role="supervisor",
    answer=people.Team,
    status=201,
    once=True,
    errors=("name_taken", "invalid"),
)
async def add_team(call: Call[people.NewTeam]) -> views.Doc:
    await _require_users(call, call.given.member_ids)
    try:
        return views.team(await call.deps.store.users.add_team(call.given.name, call.given.member_ids))
    except Conflict:
        raise Problem("name_taken") from None


@api.patch(
    "/teams/{id}",
    "Change a team",
    "修改团队",
    role="supervisor",
    answer=people.Team,
    errors=("not_found", "name_taken", "invalid"),
)
async def change_team(call: Call[people.TeamChange]) -> views.Doc:
    await _require_users(call, call.given.member_ids or ())
    changes = call.given.model_dump(exclude_none=True)
    users = call.deps.store.users
    try:
        return views.team(await users.change_team(call.id, changes) if changes else await users.team(call.id))
    except Conflict:
        raise Problem("name_taken") from None


@api.delete("/teams/{id}", "Remove a team", "删除团队", role="supervisor", errors=("not_found",))
async def remove_team(call: Call[None]) -> None:
    await call.deps.store.users.team(call.id)
    await call.deps.store.users.remove_team(call.id)


@api.get("/tokens", "All API tokens", "API 令牌列表", role="admin", answer=people.Tokens)
async def list_tokens(call: Call[None]) -> views.Doc:
    return {"items": [views.token(token) for token in await call.deps.store.sessions.tokens()]}


@api.post(
    "/tokens",
    "Make an API token",
    "创建 API 令牌",
    role="admin",
    answer=people.CreatedToken,
    status=201,
    once=True,
    errors=("invalid",),
)
async def add_token(call: Call[people.NewToken]) -> views.Doc:
    """It acts for the admin who made it, within its scopes. It is answered this once."""
    doc, token = await call.deps.store.sessions.add_token(
        call.caller.id, call.given.name, sorted(set(call.given.scopes))
    )
    return views.token(doc) | {"token": token}


@api.delete("/tokens/{id}", "Withdraw an API token", "撤销 API 令牌", role="admin", errors=("not_found",))
async def remove_token(call: Call[None]) -> None:
    await call.deps.store.sessions.remove_token(call.id)
