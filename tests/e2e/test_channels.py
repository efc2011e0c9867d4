"""An admin connects channels: a form made field by field, a mailbox that does not answer."""

import re

from playwright.async_api import expect

from tests.e2e.screen import MARKS, Office, Screen
from tests.hub_process import free_port

pytestmark = MARKS


async def choose(screen: Screen, field: str, option: str) -> None:
    await screen.at(f"field-{field}").click()
    await screen.page.get_by_role("option", name=option, exact=True).click()


async def begin(screen: Screen, channel: str, name: str) -> None:
    await screen.at("nav-channels").click()
    await screen.at("add-account").click()
    await screen.at(f"pick-{channel}").click()
    await screen.input("account-name").fill(name)


async def test_a_form_is_made_field_by_field_and_answered(office: Office, desk: Screen) -> None:
    await begin(desk, "webform", "Repairs")
    await desk.at("add-field").click()
    await desk.input("form-label").fill("Serial number")
    await desk.input("field-min_fill_seconds").fill("0")
    await desk.at("save-account").click()
    await expect(desk.page).to_have_url(re.compile(r"/channels/(?!new)\w+$"))
    await expect(desk.at("embed-snippet")).to_contain_text("/embed.js")

    async with desk.page.context.expect_page() as opened:
        await desk.at("open-form").click()
    form = await opened.value
    await form.locator("[name=name]").fill("Frieda Form")
    await form.locator("[name=email]").fill("frieda@customer.test")
    await form.locator("[name=message]").fill("The screen stays dark.")
    await form.get_by_label("Serial number").fill("SN-4711")
    await form.get_by_role("button", name="Send").click()
    await expect(form.locator("body")).to_contain_text("Thank you")
    await form.close()

    await desk.at("nav-inbox").click()
    await desk.at("view-all").click()
    await desk.at("ticket-row").filter(has_text="Frieda Form").click()
    await expect(desk.messages("inbound")).to_contain_text("The screen stays dark.")
    found = (await desk.api("GET", "/tickets?channel=webform"))["items"]
    ticket = next(one for one in found if one["contact_name"] == "Frieda Form")
    timeline = await desk.api("GET", f"/tickets/{ticket['id']}/timeline")
    texts = [item["message"]["text"] for item in timeline["items"] if item["kind"] == "message"]
    assert any("SN-4711" in text for text in texts)


async def test_a_mailbox_that_does_not_answer_is_told_so_with_what_to_do(desk: Screen) -> None:
    await begin(desk, "email", "Wrong mailbox")
    values = {
        "address": "nobody@demo.omnihub.test", "password": "wrong",
        "imap_host": "127.0.0.1", "imap_port": str(free_port()),
        "smtp_host": "127.0.0.1", "smtp_port": str(free_port()),
    }  # fmt: skip
    for name, value in values.items():
        await desk.input(f"field-{name}").fill(value)
    await desk.at("test-account").click()
    for server in ("IMAP", "SMTP"):
        finding = desk.at("finding").filter(has_text=f"Reach the {server} server")
        await expect(finding).to_have_attribute("data-ok", "false")
        await expect(finding).to_contain_text("Check the port")


async def test_a_provider_fills_in_its_servers_and_leaves_nothing_behind(desk: Screen) -> None:
    await begin(desk, "email", "Presets")
    await choose(desk, "provider", "Microsoft 365")
    await expect(desk.input("field-smtp_port")).to_have_value("587")
    await expect(desk.at("field-oauth_client_id")).to_be_visible()
    await choose(desk, "provider", "QQ Mail")
    await expect(desk.input("field-imap_host")).to_have_value("imap.qq.com")
    await expect(desk.input("field-smtp_port")).to_have_value("465")
    await expect(desk.at("field-oauth_client_id")).to_have_count(0)
    await choose(desk, "provider", "Custom")
    await expect(desk.input("field-imap_host")).to_have_value("")


async def test_a_field_that_is_wrong_says_so_and_a_secret_is_kept(desk: Screen) -> None:
    await begin(desk, "email", "Kept secrets")
    await choose(desk, "provider", "163 Mail")
    await desk.at("save-account").click()
    await expect(desk.page.locator(".el-form-item__error")).to_have_text("is required")
    await desk.input("field-address").fill("shop@163.com")
    await desk.input("field-password").fill("a-code")
    await desk.at("field-receive").click()
    await desk.at("save-account").click()
    await expect(desk.page).to_have_url(re.compile(r"/channels/(?!new)\w+$"))
    await desk.input("account-name").fill("Renamed")
    await desk.at("save-account").click()
    await desk.at("nav-channels").click()
    row = desk.at("account-row").filter(has_text="Renamed")
    await expect(row).to_have_count(1)
    account = next(a for a in (await desk.api("GET", "/accounts"))["items"] if a["name"] == "Renamed")
    assert account["settings"]["password"] == {"set": True}
    assert "a-code" not in str(account)
    await row.get_by_test_id("account-switch").click()
    await expect(row.locator("[data-health=disabled]")).to_be_visible()
