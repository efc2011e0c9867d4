"""Who may do what: roles, scopes, and endpoints that nobody reaches without signing in."""

import re
from itertools import product

from omnihub.model.documents import Role
from omnihub.unified_view.application import ENDPOINTS
from omnihub.unified_view.endpoint import Endpoint
from tests.unified_view.browser import Browser, Hub

RANKS: tuple[Role, ...] = ("readonly", "agent", "supervisor", "admin")


def path_of(endpoint: Endpoint) -> str:
    return re.sub(r"{\w+}", "01abcdefghjkmnpqrstvwxyz23", endpoint.path)


def expected_of_refusal(endpoint: Endpoint, role: Role) -> bool:
    return endpoint.role is not None and RANKS.index(role) < RANKS.index(endpoint.role)


async def test_every_endpoint_asks_for_its_role(hub: Hub) -> None:
    browsers = [(role, await hub.browser(role)) for role in RANKS]
    for endpoint, (role, browser) in product(ENDPOINTS, browsers):
        if endpoint.name in ("sign_out", "sign_in"):
            continue
        answer = await browser.call(endpoint.method, path_of(endpoint))
        refused = answer.status == 403 and answer.problem["code"] == "forbidden"
        assert refused == expected_of_refusal(endpoint, role), (endpoint.name, role)
        assert answer.status < 500, (endpoint.name, answer.content)


async def test_nothing_is_answered_to_nobody(hub: Hub) -> None:
    visitor = hub.visitor()
    for endpoint in ENDPOINTS:
        if endpoint.role is None:
            continue
        answer = await visitor.call(endpoint.method, path_of(endpoint))
        assert answer.status == 401, endpoint.name
        assert answer.headers["WWW-Authenticate"] == "Bearer"


async def test_who_only_reads_changes_nothing_but_their_own_profile(hub: Hub) -> None:
    writing = {e.name for e in ENDPOINTS if e.method != "GET" and not expected_of_refusal(e, "readonly")}
    assert writing == {"sign_in", "sign_out", "change_profile"}


REACH = {("read",): (200, 403, 403), ("write",): (200, 201, 403), ("admin",): (200, 201, 201)}


async def test_a_token_reaches_as_far_as_its_scopes(hub: Hub) -> None:
    for scopes, (reads, writes, administers) in REACH.items():
        program = await hub.program(*scopes)
        assert (await program.get("/tickets")).status == reads
        assert (await program.post("/teams", {"name": f"Team of {scopes[0]}"})).status == writes
        made = await program.post("/tokens", {"name": "another", "scopes": ["read"]})
        assert made.status == administers
        if made.status == 403:
            assert made.problem["code"] == "scope_missing"


async def test_a_token_cannot_do_more_than_its_user(hub: Hub) -> None:
    program = await hub.program("admin", role="agent")
    assert (await program.get("/tokens")).problem["code"] == "forbidden"


async def test_a_token_is_shown_once_and_can_be_withdrawn(hub: Hub, admin: Browser) -> None:
    made = (await admin.post("/tokens", {"name": "CRM", "scopes": ["read", "write", "read"]})).json
    assert made["token"].startswith("oh_")
    assert made["scopes"] == ["read", "write"]
    listed = (await admin.get("/tokens")).json["items"]
    assert [one["name"] for one in listed] == ["CRM"]
    program = hub.visitor()
    program.headers["Authorization"] = f"Bearer {made['token']}"
    assert (await program.get("/tickets")).status == 200
    assert (await admin.delete(f"/tokens/{made['id']}")).status == 204
    assert (await program.get("/tickets")).problem["code"] == "bad_token"


async def test_a_wrong_authorization_is_refused_even_with_a_cookie(agent: Browser) -> None:
    for header in ("Bearer", "Bearer oh_none", "Basic YTpi", "bearer  ", "Bearer \xe9"):
        assert (await agent.get("/tickets", headers={"Authorization": header})).problem["code"] == "bad_token"


async def test_an_admin_adds_users_with_a_password_shown_once(hub: Hub, admin: Browser) -> None:
    new = {"email": " Lin@Example.test ", "name": "Lin", "role": "agent", "locale": "zh-CN"}
    made = (await admin.post("/users", new)).json
    assert made["user"]["email"] == "lin@example.test"
    visitor = hub.visitor()
    signed = await visitor.post("/session", {"email": "lin@example.test", "password": made["password"]})
    assert signed.status == 200
    again = await admin.post("/users", new)
    assert (again.status, again.problem["code"]) == (409, "email_taken")
    reset = (await admin.post(f"/users/{made['user']['id']}/reset")).json["password"]
    assert reset != made["password"]
    assert (await visitor.get("/session")).status == 401


async def test_the_last_admin_stays(hub: Hub, admin: Browser) -> None:
    for change in ({"role": "agent"}, {"active": False}):
        answer = await admin.patch(f"/users/{admin.user['_id']}", change)
        assert answer.problem["code"] == "last_admin"
    assert (await admin.get("/session")).json["user"]["role"] == "admin"
    await hub.user("admin")
    assert (await admin.patch(f"/users/{admin.user['_id']}", {"role": "agent"})).status == 200


async def test_only_admins_see_how_accounts_are_connected(hub: Hub, admin: Browser, agent: Browser) -> None:
    made = (await admin.post("/accounts", WEBFORM)).json
    (shown,) = (await agent.get("/accounts")).json["items"]
    assert (shown["id"], shown["key"], shown["settings"], shown["urls"]) == (made["id"], "", {}, {})
    program = await hub.program("read")
    assert (await program.get("/accounts")).json["items"][0]["settings"] == {}
    assert (await admin.get("/accounts")).json["items"][0]["settings"]


async def test_teams_have_known_members_and_one_name(hub: Hub) -> None:
    supervisor = await hub.browser("supervisor")
    made = (await supervisor.post("/teams", {"name": "Repairs", "member_ids": [supervisor.user["_id"]]})).json
    unknown = await supervisor.patch(f"/teams/{made['id']}", {"member_ids": ["nobody"]})
    assert list(unknown.problem["fields"]) == ["member_ids"]
    assert (await supervisor.post("/teams", {"name": "Repairs"})).problem["code"] == "name_taken"
    assert (await supervisor.delete(f"/teams/{made['id']}")).status == 204
    assert (await supervisor.delete(f"/teams/{made['id']}")).status == 404


WEBFORM = {"channel": "webform", "name": "Contact form", "settings": {}}
