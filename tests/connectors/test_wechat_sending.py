"""What the connector asks of the platform: against the simulator with the platform's rules, and against a bare
server where an answer is wanted that the platform gives only in trouble."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from wechat_world import JPEG, MP4, Platform, connector, outgoing, platform

from omnihub.connectors.simulation import Loopback, Person, amr_note
from omnihub.connectors.tokens import LocalTokens
from omnihub.connectors.wechat_api import api as wechat
from omnihub.connectors.wechat_api.media import is_welcome
from omnihub.model.errors import OmnihubError, Refused, TryLater, Uncertain, WindowClosed
from omnihub.model.inbound import LentMedia
from omnihub.model.outgoing import OutgoingAttachment, TemplateUse

SEND = "/cgi-bin/message/custom/send"
TEMPLATE = "/cgi-bin/message/template/send"


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[Platform]:
    async with platform(tmp_path) as running:
        yield running


def file(content_type: str, content: bytes) -> OutgoingAttachment:
    return OutgoingAttachment(filename="文件", content_type=content_type, content=content)


# — customer-service messages —


async def test_a_text_arrives_as_it_was_written(world: Platform) -> None:
    hub = world.connector()
    await world.says(world.li, "text", "在吗")
    text = '您好：\n师傅 "14:00" 到 😀 <b>&amp;</b>'
    result = await hub.send(outgoing(world.li, text))
    assert result.external_id == "out:01k0000000000000000000answer"
    assert world.shown(world.li, "desk") == [text]
    assert world.simulator.desk.seen[-1][1] == {
        "touser": world.li.id,
        "msgtype": "text",
        "text": {"content": text},
    }


@pytest.mark.parametrize(
    ("content_type", "content", "kind"),
    [
        ("image/jpeg", JPEG, "image"),
        ("image/png", b"\x89PNG\r\n\x1a\n" + bytes(32), "image"),
        ("audio/amr", amr_note(), "voice"),
        ("audio/mpeg", b"ID3" + bytes(64), "voice"),
        ("video/mp4", MP4, "video"),
    ],
)
async def test_files_arrive_byte_for_byte(world: Platform, content_type: str, content: bytes, kind: str) -> None:
    await world.says(world.li, "text", "发我看看")
    await world.connector().send(outgoing(world.li, file=file(content_type, content)))
    line = world.simulator.chats.lines(world.li.id)[-1]
    assert (line.author, line.kind, line.media, line.content_type) == ("desk", kind, content, content_type)


async def test_what_the_channel_cannot_carry_is_refused_before_anything_is_sent(world: Platform) -> None:
    await world.says(world.li, "text", "?")
    hub = world.connector()
    for refused in (
        outgoing(world.li, file=file("application/pdf", b"%PDF")),
        outgoing(world.li, file=file("image/jpeg", JPEG + bytes(2 * 1024 * 1024))),
        outgoing(world.li, "both at once", file=file("image/jpeg", JPEG)),
        outgoing(world.li, "  "),
        outgoing(world.li, to=()),
    ):
        with pytest.raises(Refused):
            await hub.send(refused)
    assert world.simulator.desk.seen == []


async def test_an_answer_may_be_shown_as_a_customer_service_accounts(world: Platform) -> None:
    await world.says(world.li, "text", "?")
    await world.connector(kf_account="lin@brand").send(outgoing(world.li, "好的"))
    assert world.simulator.desk.seen[-1][1]["customservice"] == {"kf_account": "lin@brand"}


async def test_the_sixth_answer_and_a_late_one_find_the_window_closed(world: Platform) -> None:
    hub = world.connector()
    await world.says(world.li, "text", "在吗")
    for number in range(5):
        await hub.send(outgoing(world.li, f"答 {number}"))
    with pytest.raises(WindowClosed, match=r"^45047 out of response count limit rid: "):
        await hub.send(outgoing(world.li, "第六条"))
    await world.says(world.li, "text", "继续")
    await hub.send(outgoing(world.li, "又可以了"))
    world.clock.at += 48 * 3600 + 1
    with pytest.raises(WindowClosed, match=r"^45015 response out of time limit"):
        await hub.send(outgoing(world.li, "太晚了"))


async def test_an_unfollower_cannot_be_written_to(world: Platform) -> None:
    hub = world.connector()
    await world.says(world.li, "text", "再见")
    await world.says(world.li, "unfollow")
    with pytest.raises(WindowClosed, match="45015"):
        await hub.send(outgoing(world.li, "请留步"))
    with pytest.raises(Refused, match="43004 require subscribe"):
        await hub.send(ordered(world.li))


async def test_text_longer_than_the_platform_takes_is_refused_in_its_words(world: Platform) -> None:
    await world.says(world.li, "text", "?")
    hub = world.connector()
    await hub.send(outgoing(world.li, "好" * 682))
    with pytest.raises(Refused, match="45002 content size out of limit"):
        await hub.send(outgoing(world.li, "好" * 683))


@pytest.mark.parametrize(
    ("code", "words", "meaning", "after"),
    [
        (-1, "system error", TryLater, 5),
        (45009, "reach max api daily quota limit", TryLater, 3600),
        (45011, "api minute-quota reach limit", TryLater, 60),
        (45047, "out of response count limit", WindowClosed, None),
        (45015, "response out of time limit", WindowClosed, None),
        (40003, "invalid openid", Refused, None),
        (43004, "require subscribe", Refused, None),
        (48001, "api unauthorized", Refused, None),
        (45008, "article size out of limit", Refused, None),
    ],
)
async def test_codes_mean_what_happens_next(
    world: Platform, code: int, words: str, meaning: type[OmnihubError], after: float | None
) -> None:
    await world.says(world.li, "text", "?")
    world.simulator.desk.fail_next(SEND, code, words)
    with pytest.raises(meaning, match=f"^{code} {words} rid: ") as said:
        await world.connector().send(outgoing(world.li, "你好"))
    assert type(said.value) is meaning
    assert getattr(said.value, "after", None) == after
    assert world.shown(world.li, "desk") == []


async def test_silence_after_the_hand_over_is_uncertain_and_not_repeated(
    world: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wechat, "SEND_SECONDS", 0.5)
    await world.says(world.li, "text", "?")
    world.simulator.desk.mute = True
    with pytest.raises(Uncertain):
        await world.connector().send(outgoing(world.li, "你好"))
    assert world.shown(world.li, "desk") == ["你好"]


# — typing and people —


async def test_typing_is_shown_by_the_platforms_rules(world: Platform) -> None:
    hub = world.connector()
    with pytest.raises(Refused, match="45080"):
        await hub.typing(outgoing(world.li))
    await world.says(world.li, "text", "?")
    await hub.typing(outgoing(world.li))
    assert world.simulator.desk.is_typing(world.li.id)
    with pytest.raises(Refused, match="45081"):
        await hub.typing(outgoing(world.li))
    await hub.send(outgoing(world.li, "来了"))
    assert not world.simulator.desk.is_typing(world.li.id)
    await hub.typing(outgoing(world.li))
    world.clock.at += 31
    assert not world.simulator.desk.is_typing(world.li.id)
    with pytest.raises(Refused, match="45080"):
        await hub.typing(outgoing(world.li))


async def test_a_follower_is_known_by_remark_and_unionid(world: Platform) -> None:
    hub = world.connector()
    world.simulator.followers[world.li.id].unionid = "oU:1"
    profile = await hub.profile(outgoing(world.li).to[0])
    assert profile is not None
    assert (profile.name, profile.proven) == ("李晓梅", ("wechat-union:oU%3A1",))
    await world.says(world.wang, "unfollow")
    assert await hub.profile(outgoing(world.wang).to[0]) is None
    with pytest.raises(Refused, match="40003"):
        await hub.profile(outgoing(Person(id="oStranger", name="")).to[0])


# — prepared messages —


def ordered(person: Person, **values: str) -> Any:
    filled = {"character_string1": "SO-20261120-7", "thing2": "师傅已出发", **values}
    return outgoing(person, "…", template=TemplateUse(id="order-status", values=filled))


async def test_a_template_message_goes_out_when_the_window_is_closed(world: Platform) -> None:
    hub = world.connector()
    result = await hub.send(ordered(world.li))
    assert result.external_id.startswith("template:")
    assert world.shown(world.li, "desk") == ["订单状态更新\n订单号：SO-20261120-7\n状态：师傅已出发"]
    assert world.simulator.desk.seen[-1][1]["client_msg_id"] == "01k0000000000000000000answer"
    again = await hub.send(ordered(world.li))
    assert again.external_id == result.external_id
    assert len(world.shown(world.li, "desk")) == 1


async def test_templates_are_offered_with_their_blanks(world: Platform) -> None:
    offered = {one.id: one for one in world.connector().templates()}
    assert offered["order-status"].text == "订单状态更新\n订单号：{character_string1}\n状态：{thing2}"
    assert [blank.key for blank in offered["order-status"].fields] == ["character_string1", "thing2"]
    assert offered["satisfied"].text == "本次服务您满意吗？\n[满意]\n[不满意]\n感谢您的反馈"


async def test_a_template_without_its_blanks_is_refused(world: Platform) -> None:
    hub = world.connector()
    with pytest.raises(Refused, match="状态"):
        await hub.send(ordered(world.li, thing2=" "))
    with pytest.raises(Refused, match="no prepared message 'gone'"):
        await hub.send(outgoing(world.li, template=TemplateUse(id="gone")))
    world.simulator.desk.fail_next(TEMPLATE, 47003, "argument invalid! data.thing2.value invalid")
    with pytest.raises(Refused, match="47003 argument invalid"):
        await hub.send(ordered(world.li))


async def test_a_subscribe_message_needs_the_customers_leave(world: Platform) -> None:
    hub = world.connector()
    visit = outgoing(
        world.emma, template=TemplateUse(id="visit", values={"thing1": "清洗空调", "time2": "11月22日 10:00"})
    )
    with pytest.raises(Refused, match="43101 user refuse to accept the msg"):
        await hub.send(visit)
    await world.says(world.emma, "accept")
    result = await hub.send(visit)
    assert result.external_id == "out:01k0000000000000000000answer"
    assert world.shown(world.emma, "desk") == ["上门服务提醒\n服务：清洗空调\n时间：11月22日 10:00"]
    with pytest.raises(Refused, match="43101"):
        await hub.send(visit)


async def test_cards_and_menus_are_customer_service_messages(world: Platform) -> None:
    hub = world.connector()
    manual = outgoing(world.li, template=TemplateUse(id="manual", values={"model": "KX 9/2"}))
    with pytest.raises(WindowClosed):
        await hub.send(manual)
    await world.says(world.li, "text", "说明书")
    await hub.send(manual)
    await hub.send(outgoing(world.li, template=TemplateUse(id="satisfied")))
    assert world.shown(world.li, "desk") == [
        "使用手册\n型号 KX 9/2 的使用手册\nhttps://shop.example.test/manuals/KX%209%2F2",
        "本次服务您满意吗？\n▸ 满意\n▸ 不满意\n感谢您的反馈",
    ]


async def test_a_mini_program_card_needs_its_picture(world: Platform) -> None:
    media_id = world.simulator.desk.shelf.put("image", JPEG, "image/jpeg", "cover.jpg")
    card = {
        "id": "card", "name": "Card", "kind": "mini_program", "title": "预约", "page": "pages/book?sn={sn}",
        "mini_program_appid": "wx1111111111111111", "cover_media_id": media_id,
        "fields": [{"key": "sn", "label": "SN"}],
    }  # fmt: skip
    hub = world.connector(prepared_messages=[card])
    await world.says(world.li, "text", "预约")
    await hub.send(outgoing(world.li, template=TemplateUse(id="card", values={"sn": "A&1"})))
    assert world.simulator.desk.seen[-1][1]["miniprogrampage"] == {
        "title": "预约", "pagepath": "pages/book?sn=A%261", "thumb_media_id": media_id,
        "appid": "wx1111111111111111",
    }  # fmt: skip


# — tokens —


async def test_two_connectors_fetch_one_token_at_once(world: Platform) -> None:
    tokens = LocalTokens()
    one, other = world.connector(tokens), world.connector(tokens)
    for person in (world.li, world.wang, world.emma):
        await world.says(person, "text", "?")
    people = (world.li, world.wang, world.emma)
    await asyncio.gather(*(hub.send(outgoing(person, "好")) for hub in (one, other) for person in people))
    assert world.simulator.desk.tokens.calls == 1
    assert [len(world.shown(person, "desk")) for person in people] == [2, 2, 2]


async def test_a_stale_token_is_renewed_once_for_all(world: Platform) -> None:
    tokens = LocalTokens()
    one, other = world.connector(tokens), world.connector(tokens)
    for person in (world.li, world.wang):
        await world.says(person, "text", "?")
    await one.send(outgoing(world.li, "一"))
    world.simulator.desk.tokens.revoke()
    await asyncio.gather(one.send(outgoing(world.li, "二")), other.send(outgoing(world.wang, "三")))
    assert world.simulator.desk.tokens.calls == 2
    assert world.shown(world.li, "desk") == ["一", "二"]


async def test_an_expired_token_is_renewed(world: Platform) -> None:
    hub = world.connector()
    await world.says(world.li, "text", "?")
    await hub.send(outgoing(world.li, "一"))
    world.clock.at += 7201
    await hub.send(outgoing(world.li, "二"))
    assert world.simulator.desk.tokens.calls == 2


async def test_a_good_token_that_is_refused_is_forced_anew_and_tried_once_more_only(world: Platform) -> None:
    """The platform may call stale what it still gives out: then only force_refresh helps."""
    hub = world.connector()
    await world.says(world.li, "text", "?")
    world.simulator.desk.fail_next(SEND, 40001, "invalid credential")
    await hub.send(outgoing(world.li, "好"))
    assert world.simulator.desk.tokens.calls == 3
    world.simulator.desk.fail_next(SEND, 42001, "access_token expired", times=5)
    world.clock.at += 60
    with pytest.raises(TryLater, match="42001"):
        await hub.send(outgoing(world.li, "不"))
    assert world.simulator.desk.tokens.calls == 5


async def test_a_file_is_uploaded_again_with_a_new_token(world: Platform) -> None:
    hub = world.connector()
    await world.says(world.li, "text", "?")
    await hub.send(outgoing(world.li, "一"))
    world.simulator.desk.tokens.revoke()
    picture = JPEG + bytes(2_000_000)
    await hub.send(outgoing(world.li, file=file("image/jpeg", picture)))
    assert world.simulator.chats.lines(world.li.id)[-1].media == picture


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"app_secret": "a-wrong-secret"}, "40125 invalid appsecret rid: "),
        ({"app_id": "wx0000000000000000"}, "40013 invalid appid rid: "),
    ],
)
async def test_the_admins_test_says_what_is_wrong(world: Platform, settings: Any, words: str) -> None:
    credentials, encryption = await world.connector(**settings).check()
    assert not credentials.ok
    assert words in credentials.detail
    assert "copy" in credentials.remedy
    assert encryption.ok
    good, plain = await world.connector(mode="plain").check()
    assert good.ok
    assert not plain.ok


# — a bare server, for what the simulator never says —


TOKEN = (200, b'{"access_token":"t","expires_in":7200}', "application/json")


@asynccontextmanager
async def bare(**answers: Any) -> AsyncIterator[tuple[Any, Loopback]]:
    """Answers by path without its slashes: (status, body, content type), or only once an event is set."""
    app = web.Application()

    async def handle(request: web.Request) -> web.Response:
        await request.read()
        told = answers.get(request.path.strip("/").replace("/", "_").replace("-", "_"), TOKEN)
        if isinstance(told, asyncio.Event):
            await told.wait()
            told = TOKEN
        status, body, content_type = told
        return web.Response(status=status, body=body, headers={"Content-Type": content_type})

    app.router.add_route("*", "/{path:.*}", handle)
    server = Loopback(app)
    await server.start()
    try:
        async with aiohttp.ClientSession() as http:
            yield connector(http, base_url=server.url), server
    finally:
        await server.stop()


LI = Person(id="oLi", name="")


@pytest.mark.parametrize(
    ("status", "body", "meaning"),
    [
        (502, b"<html>Bad gateway</html>", Uncertain),
        (503, b"", TryLater),
        (429, b"", TryLater),
        (200, b"<html>captive portal</html>", Uncertain),
        (200, b"[]", Uncertain),
        (404, b"nothing here", Refused),
        (200, b'{"errcode":"oops","errmsg":"?"}', Refused),
    ],
)
async def test_answers_that_are_not_the_apis(status: int, body: bytes, meaning: type[OmnihubError]) -> None:
    async with bare(cgi_bin_message_custom_send=(status, body, "text/html")) as (hub, _):
        with pytest.raises(meaning):
            await hub.send(outgoing(LI, "你好"))


@pytest.mark.parametrize(
    ("status", "body", "meaning"),
    [
        (200, b"{}", TryLater),
        (200, b'{"access_token":5,"expires_in":7200}', TryLater),
        (200, b'{"access_token":"t","expires_in":"soon"}', TryLater),
        (500, b"", TryLater),
        (200, b'{"errcode":-1,"errmsg":"system error"}', TryLater),
        (200, b'{"errcode":40164,"errmsg":"invalid ip 203.0.113.7, not in whitelist rid: 1"}', Refused),
    ],
)
async def test_a_token_that_is_not_given(status: int, body: bytes, meaning: type[OmnihubError]) -> None:
    async with bare(cgi_bin_stable_token=(status, body, "application/json")) as (hub, _):
        with pytest.raises(meaning):
            await hub.send(outgoing(LI, "你好"))
        (credentials, _) = await hub.check()
        assert not credentials.ok
        assert b"40164" not in body or "whitelist" in credentials.remedy


async def test_silence_while_a_file_is_uploaded_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing has been sent yet."""
    monkeypatch.setattr(wechat, "MEDIA_SECONDS", 0.3)
    released = asyncio.Event()
    async with bare(cgi_bin_media_upload=released) as (hub, _):
        with pytest.raises(TryLater):
            await hub.send(outgoing(LI, file=file("image/jpeg", JPEG)))
        released.set()


# — files that a customer sent —


def lent(**ref: str) -> LentMedia:
    return LentMedia(ref=ref)


async def test_files_of_customers_are_fetched(world: Platform) -> None:
    hub = world.connector()
    shelf = world.simulator.desk.shelf
    picture = await hub.fetch(lent(media_id=shelf.put("image", JPEG, "image/jpeg", "p.jpg")))
    assert (picture.content, picture.filename, picture.content_type) == (JPEG, "p.jpg", "image/jpeg")
    note = await hub.fetch(lent(media_id=shelf.put("voice", amr_note(), "audio/amr", "v.amr")))
    assert note.content == amr_note()
    video = await hub.fetch(lent(media_id=shelf.put("video", MP4, "video/mp4", "v.mp4")))
    assert (video.content, video.content_type) == (MP4, "video/mp4")


async def test_a_file_is_gone_after_three_days_and_the_error_is_no_file(world: Platform) -> None:
    hub = world.connector()
    media_id = world.simulator.desk.shelf.put("image", JPEG, "image/jpeg", "p.jpg")
    world.clock.at += 3 * 86_400 + 1
    with pytest.raises(Refused, match=r"^40007 invalid media_id rid: "):
        await hub.fetch(lent(media_id=media_id))
    with pytest.raises(Refused, match="not the platform's"):
        await hub.fetch(lent(media_id=media_id, pic_url="http://evil.example.test/x.jpg"))


async def test_a_picture_whose_id_is_gone_is_fetched_at_its_own_address(world: Platform) -> None:
    hub = world.connector()
    kept = world.simulator.desk.shelf.put("image", JPEG, "image/jpeg", "p.jpg")
    url = f"{world.simulator.url}/pictures/{kept}"
    assert (await hub.fetch(lent(media_id="gone", pic_url=url))).content == JPEG
    assert (await hub.fetch(lent(media_id="", pic_url=url))).content == JPEG


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1:9/x", "http://metadata.internal/", "file:///etc/passwd", "https://qq.com.evil.test/", "//"],
)
async def test_a_video_is_fetched_only_where_the_platform_keeps_them(url: str) -> None:
    body = f'{{"video_url":"{url}"}}'.encode()
    async with bare(cgi_bin_media_get=(200, body, "text/plain")) as (hub, _):
        with pytest.raises(Refused, match="not the platform's"):
            await hub.fetch(lent(media_id="m"))


@pytest.mark.parametrize(
    ("url", "welcome"),
    [
        ("http://mpvideo.qpic.cn/a.mp4", True),
        ("https://vweixinp.tc.qq.com/a.f10.mp4", True),
        ("https://qq.com/a", True),
        ("https://myqq.com/a", False),
        ("https://user@qq.com/a", False),
        ("https://qq.com:8443/a", False),
        ("https://qq.com:port/a", False),
        ("ftp://qq.com/a", False),
        ("https://api.weixin.example.test/a", True),
        ("http://api.weixin.example.test/a", False),
        ("https://[::1", False),
        ("", False),
    ],
)
def test_where_files_may_be_fetched(url: str, welcome: bool) -> None:
    assert is_welcome(url, "https://api.weixin.example.test", ("qq.com", "qpic.cn")) is welcome


@pytest.mark.parametrize(
    ("status", "body", "meaning"),
    [
        (200, b"", Refused),
        (500, b"", TryLater),
        (404, b"gone", Refused),
        (200, b'{"errcode":-1,"errmsg":"system error"}', TryLater),
        (200, b'{"errcode":45009,"errmsg":"reach max api daily quota limit"}', TryLater),
    ],
)
async def test_a_file_that_does_not_come(status: int, body: bytes, meaning: type[OmnihubError]) -> None:
    async with bare(cgi_bin_media_get=(status, body, "application/json")) as (hub, _):
        with pytest.raises(meaning):
            await hub.fetch(lent(media_id="m"))


async def test_a_file_beyond_all_bounds_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("omnihub.connectors.wechat_api.media.MAX_BYTES", 1000)
    async with bare(cgi_bin_media_get=(200, bytes(1001), "image/jpeg")) as (hub, _):
        with pytest.raises(Refused, match="larger than 1000 bytes"):
            await hub.fetch(lent(media_id="m"))


# — settings —

MENU = {"id": "a", "name": "A", "kind": "menu", "text": "x", "choices": ["y"]}


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"aes_key": ""}, "needs an EncodingAESKey"),
        ({"aes_key": "short"}, "43 characters"),
        ({"previous_aes_key": "!" * 43}, "letters and digits"),
        ({"base_url": "api.weixin.qq.com"}, "https://api.example.com"),
        ({"video_hosts": ["https://qq.com/"]}, "host names"),
        ({"app_id": "wx"}, "pattern"),
        ({"prepared_messages": [{"id": "a", "name": "A", "kind": "template", "text": "x"}]}, "template_id"),
        (
            {"prepared_messages": [{"id": "a", "name": "A", "kind": "menu", "text": "x", "choices": ["y"]}] * 2},
            "two",
        ),
    ],
)
def test_wrong_settings_say_what_is_wrong(settings: Any, words: str) -> None:
    with pytest.raises(OmnihubError) as refused:
        connector(**settings)
    assert words in str(getattr(refused.value, "fields", ""))


def test_the_window_is_the_accounts_own() -> None:
    window = connector(window_hours=24, window_messages=20).reply_window()
    assert (window.hours, window.messages) == (24, 20)
    assert (connector().reply_window().hours, connector().reply_window().messages) == (48, 5)
