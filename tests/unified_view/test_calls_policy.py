"""What becomes of calls, as an admin sets it for an account."""

from typing import Any

import pytest

from omnihub.model.account import DISPOSITIONS
from tests.unified_view.browser import Browser

BODY = {"channel": "webform", "name": "Line", "settings": {}}
NIGHT = {"opening_hours": "Mon-Fri 09:00-18:00, Sat 10:00-14:00", "time_zone": "Europe/Berlin"}
DEFAULT = {
    "missed": "join",
    "repeat_minutes": 240,
    "call_back_minutes": 60,
    "opening_hours": "",
    "time_zone": "UTC",
    "recording_days": 0,
    "dispositions": list(DISPOSITIONS),
}


async def changed(admin: Browser, account: dict[str, Any], **calls: Any) -> dict[str, Any]:
    answer = await admin.patch(f"/accounts/{account['id']}", {"policy": {"calls": calls}})
    assert answer.status == 200, answer.content
    shown: dict[str, Any] = answer.json["policy"]["calls"]
    return shown


async def test_it_changes_one_line_at_a_time(admin: Browser) -> None:
    account = (await admin.post("/accounts", BODY)).json
    assert account["policy"]["calls"] == DEFAULT
    assert await changed(admin, account, **NIGHT) == DEFAULT | NIGHT
    new = {"missed": "separate", "repeat_minutes": 0, "call_back_minutes": 10_080, "recording_days": 90}
    assert await changed(admin, account, **new) == DEFAULT | NIGHT | new
    words = [" sold ", "not sold", "sold", "售后"]
    assert (await changed(admin, account, dispositions=words))["dispositions"] == ["sold", "not sold", "售后"]
    other = await admin.patch(f"/accounts/{account['id']}", {"policy": {"reopen_days": 3, "calls": None}})
    assert (other.json["policy"]["reopen_days"], other.json["policy"]["calls"]["missed"]) == (3, "separate")
    assert (await changed(admin, account, opening_hours=""))["opening_hours"] == ""
    whole = (await admin.get(f"/accounts/{account['id']}")).json["policy"]
    assert (await admin.patch(f"/accounts/{account['id']}", {"policy": whole})).json["policy"] == whole


async def test_a_new_account_has_what_is_given(admin: Browser) -> None:
    account = (await admin.post("/accounts", {**BODY, "policy": {"undo_seconds": 5, "calls": NIGHT}})).json
    assert account["policy"]["calls"] == DEFAULT | NIGHT
    assert account["policy"]["undo_seconds"] == 5


WRONG: tuple[tuple[str, Any], ...] = (
    ("opening_hours", "Mon-Fri 9 to 5"),
    ("opening_hours", "Mon-Fri 09:00-25:00"),
    ("opening_hours", "x" * 1001),
    ("time_zone", "Mars/Olympus"),
    ("time_zone", "../../etc/passwd"),
    ("time_zone", ""),
    ("missed", "never"),
    ("repeat_minutes", 10_081),
    ("repeat_minutes", -1),
    ("call_back_minutes", 10_081),
    ("recording_days", 3651),
    ("dispositions", []),
    ("dispositions", ["x" * 61]),
    ("dispositions", [str(n) for n in range(31)]),
)


@pytest.mark.parametrize(("name", "value"), WRONG)
async def test_what_is_wrong_is_named_in_both_languages(admin: Browser, name: str, value: Any) -> None:
    body = {**BODY, "policy": {"calls": {name: value}}}
    words = []
    for language in ("en", "zh-CN"):
        refused = await admin.post("/accounts", body, headers={"Accept-Language": language})
        assert refused.status == 422
        [(field, told)] = refused.problem["fields"].items()
        assert field.startswith(f"policy.calls.{name}")
        words.append(told)
    assert words[0] != words[1]
    assert words[0].isascii()
    assert not words[1].isascii()


async def test_opening_hours_say_what_is_wrong_with_them(admin: Browser) -> None:
    body = {**BODY, "policy": {"calls": {"opening_hours": "Mon-Fri 9 to 5"}}}
    fields = (await admin.post("/accounts", body)).problem["fields"]
    assert fields["policy.calls.opening_hours"].startswith("cannot be read: ")
    assert "Mon-Fri 09:00-18:00" in fields["policy.calls.opening_hours"]
