"""A whole service case as its people live it: reported in WeChat, asked after, continued by mail, one ticket."""

from collections.abc import AsyncIterator

import pytest_asyncio
from playwright.async_api import expect

from omnihub.model.ids import new_id
from tests.e2e.screen import MARKS, Office, Screen
from tests.e2e.test_customers import Shown, shown

pytestmark = MARKS


@pytest_asyncio.fixture(loop_scope="session")
async def customer(office: Office) -> AsyncIterator[Shown]:
    async with shown(office.browser, office.hub.url, locale="zh-CN") as page:
        yield page


async def test_a_repair_is_one_ticket_whatever_way_the_customer_takes(
    office: Office, desk: Screen, customer: Shown
) -> None:
    mark = new_id()[-6:]
    report = f"空调不制冷，请派人来修 {mark}"
    await customer.open()
    await customer.channel("wechat").click()
    await customer.at("invent-name").fill(f"陈晓{mark}")
    await customer.at("invent").click()
    await expect(customer.person(f"陈晓{mark}")).to_have_attribute("aria-current", "true")
    await customer.write(report)

    number = await desk.ticket_with(report)
    await desk.open(number)
    await desk.at("claim").click()
    await expect(desk.at("claim")).to_have_count(0)
    await desk.send("师傅周一上午九点到。")
    await expect(desk.messages("outbound")).to_contain_text("师傅周一上午九点到。")
    await expect(customer.lines("desk")).to_contain_text("师傅周一上午九点到。", timeout=30_000)

    # Asked after in WeChat: the hub answers by itself, and nobody is called.
    await customer.write("进度")
    progress = customer.lines("desk").filter(has_text=f"#{number}")
    await expect(progress).to_contain_text("处理中", timeout=30_000)
    ticket = (await desk.api("GET", f"/tickets/{number}"))["ticket"]
    assert (ticket["status"], ticket["waiting_since"]) == ("open", None)

    # Continued by mail: an agent sees that it is the same matter.
    mailed = await office.mail(desk, f"空调维修 {mark}", "请问需要准备什么？")
    other = (await desk.api("GET", f"/tickets/{mailed}"))["ticket"]["id"]
    await desk.api("POST", f"/tickets/{other}/merge", {"into": str(number), "reason": "同一台空调"})
    await desk.open(number)
    await expect(desk.messages("inbound")).to_have_count(3)
    told = (await desk.api("GET", f"/tickets/{number}/timeline"))["items"]
    spoken = [item["message"] for item in told if item["kind"] == "message"]
    assert [one["channel"] for one in spoken] == ["wechat", "wechat", "wechat", "wechat", "email"]
    assert [one["automatic"] for one in spoken] == [False, False, False, True, False]

    # The answer to the mail goes by mail, and one to the WeChat message by WeChat.
    detail = await desk.api("GET", f"/tickets/{number}")
    by_channel = {one["channel"]: one for one in detail["conversations"]}
    assert by_channel["wechat"]["window"]["left"] == 4
    await desk.api(
        "POST",
        f"/tickets/{ticket['id']}/replies",
        {
            "text": "已改约周二。",
            "conversation_id": by_channel["wechat"]["id"],
            "seen_inbound_id": detail["ticket"]["last_inbound_id"],
        },
    )
    await expect(customer.lines("desk").filter(has_text="已改约周二。")).to_be_visible(timeout=30_000)
    last = (await desk.api("GET", f"/tickets/{number}/timeline"))["items"]
    assert [item["message"]["channel"] for item in last if item["kind"] == "message"][-1] == "wechat"
