import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest
from aiohttp import web
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from test_wechat_miniprogram_fixtures import NOW, connected, raw
from wechatpy.crypto import WeChatCrypto
from wechatpy.utils import to_text
from werobot.crypto import MessageCrypt

from omnihub.connectors import registry, sealed
from omnihub.connectors.contract import Toolbox
from omnihub.connectors.simulation import Loopback, Spoken
from omnihub.connectors.wechat_api.pushes import Format, Mode
from omnihub.connectors.wechat_api.simulator_desk import application
from omnihub.connectors.wechat_miniprogram.connector import Connector
from omnihub.connectors.wechat_miniprogram.sample import AES_KEY, APPID, TOKEN, Sample, text_push
from omnihub.connectors.wechat_miniprogram.settings import Settings
from omnihub.connectors.wechat_miniprogram.simulator import FAULT, NAME, NOT_SAVED, Simulator
from omnihub.connectors.wechat_miniprogram.simulator_demo import COVER, PEOPLE, prepared
from omnihub.model.account import Account
from omnihub.model.errors import OmnihubError, Refused, TryLater, Unverified, WindowClosed
from omnihub.model.inbound import Allowance, InboundMessage, LentMedia
from omnihub.model.outgoing import Outgoing, OutgoingAttachment, TemplateUse
from omnihub.model.raw import RawEvent, RawRequest

ZHANG, LIU, DAVID = PEOPLE
SEND, TYPING = "/cgi-bin/message/custom/send", "/cgi-bin/message/custom/typing"
# The platform's own example (message push guide, read 2026-11), computed again with two implementations.
OFFICIAL = {
    "token": "AAAAA",
    "aes_key": "A" * 43,
    "appid": "wxba5fad812f8e6fb9",
    "timestamp": "1714112445",
    "nonce": "415670741",
    "msg_signature": "046e02f8204d34f8ba5fa3b1db94908f3df2e9b3",
    "random": "a8eedb185eb2fecf",
    "encrypt": "+qdx1OKCy+5JPCBFWw70tm0fJGb2Jmeia4FCB7kao+/Q5c/ohsOzQHi8khUOb05JCpj0JB4RvQMkUyus8TPxLKJGQqcvZqzDp"
    "VzazhZv6JsXUnnR8XGT740XgXZUXQ7vJVnAG+tE8NUd4yFyjPy7GgiaviNrlCTj+l5kdfMuFUPpRSrfMZuMcp3Fn2Pede2IuQrKEYwKSqFIZoNqJ4"
    "M8EajAsjLY2km32IIjdf8YL/P50F7mStwntrA2cPDrM1kb6mOcfBgRtWygb3VIYnSeOBrebufAlr7F9mFUPAJGj04=",
    "plain": '{"ToUserName":"gh_97417a04a28d","FromUserName":"o9AgO5Kd5ggOC-bXrbNODIiE3bGY","CreateTime":17141'
    '12445,"MsgType":"event","Event":"debug_demo","debug_str":"hello world"}',
}


class Clock:
    def __init__(self) -> None:
        self.now = 1_790_000_000.0

    def __call__(self) -> float:
        return self.now

    def datetime(self) -> datetime:
        return datetime.fromtimestamp(self.now, UTC)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def phone(tmp_path: Path, clock: Clock) -> AsyncIterator[Simulator]:
    simulator = Simulator(tmp_path, clock=clock, deadline=0.3)
    await simulator.start()
    yield simulator
    await simulator.stop()


@pytest.fixture
async def hub(phone: Simulator, clock: Clock) -> AsyncIterator[Connector]:
    async with aiohttp.ClientSession() as http:
        yield connector_of(phone, http, clock)


def connector_of(phone: Simulator, http: aiohttp.ClientSession, clock: Clock, **changed: Any) -> Connector:
    account = Account(
        id="01account", key="a-key", channel="wechat_miniprogram", name=NAME, enabled=True,
        settings={**phone.accounts()[0].settings, **changed},
    )  # fmt: skip
    toolbox = Toolbox(http=http, public_url="http://h.test", sign=lambda a, b: b, now=clock.datetime)
    made = registry.connect(account, toolbox)
    assert isinstance(made, Connector)
    return made


def reply(text: str = "您的订单明天送达。", **changed: Any) -> Outgoing:
    sample = Sample(connected())
    return replace(sample.outgoing("takes"), text=text, **changed)


def use(prepared_id: str, **values: str) -> Outgoing:
    return reply("", template=TemplateUse(id=prepared_id, values=values))


def event(request: RawRequest) -> RawEvent:
    return RawEvent(id="01event", account_id="01account", request=request)


# — the official example, and other hands —


def test_the_official_example_is_sealed_and_opened() -> None:
    envelope = sealed.Envelope(token=OFFICIAL["token"], keys=(OFFICIAL["aes_key"],), owner=OFFICIAL["appid"])
    again = envelope.seal(OFFICIAL["plain"].encode(), random=OFFICIAL["random"].encode())
    assert again == OFFICIAL["encrypt"]
    assert envelope.sign(again, OFFICIAL["timestamp"], OFFICIAL["nonce"]) == OFFICIAL["msg_signature"]
    mini = connected(app_id=OFFICIAL["appid"], token=OFFICIAL["token"], aes_key=OFFICIAL["aes_key"])
    query = {name: OFFICIAL[name] for name in ("timestamp", "nonce", "msg_signature")}
    body = orjson.dumps({"ToUserName": "gh_97417a04a28d", "Encrypt": OFFICIAL["encrypt"]})
    request = raw(query | {"encrypt_type": "aes"}, body)
    mini.verify(request)
    (message,) = mini.parse(event(request))
    assert isinstance(message, InboundMessage)
    assert message.kind == "unsupported"
    assert message.sender.key == "wechat:wxba5fad812f8e6fb9:o9AgO5Kd5ggOC-bXrbNODIiE3bGY"
    assert "debug_str: hello world" in message.text
    assert message.attachments[0].content.decode() == OFFICIAL["plain"]
    assert mini.acknowledge(request, "01event").body == b"success"


def test_other_implementations_read_what_the_simulator_pushes() -> None:
    request = Sample(connected()).pushed(text_push(1))
    given_to_both = (request.query["msg_signature"], request.query["timestamp"], request.query["nonce"])
    outer = orjson.loads(request.body)
    read = WeChatCrypto(TOKEN, AES_KEY, APPID).decrypt_message(outer, *given_to_both)
    assert json.loads(read) == text_push(1)
    crypt = MessageCrypt(token=TOKEN, encoding_aes_key=AES_KEY, app_id=APPID)
    signature, timestamp, nonce = given_to_both
    read = crypt.decrypt_message(timestamp, nonce, signature, outer["Encrypt"])
    assert json.loads(to_text(read)) == text_push(1)


def test_the_url_check() -> None:
    mini = connected()
    signed = {"signature": sealed.signature(TOKEN, "1", "2"), "timestamp": "1", "nonce": "2", "echostr": "437512<"}
    asked = RawRequest(source="webhook", method="GET", body=b"", received_at=NOW, query=signed)
    answer = mini.challenge(asked)
    assert answer is not None
    assert answer.body == b"437512<"
    with pytest.raises(Unverified):
        mini.challenge(replace(asked, query={**signed, "nonce": "3"}))
    assert mini.challenge(replace(asked, method="POST")) is None


def test_a_repeat_is_known_however_it_was_sealed() -> None:
    sample = Sample(connected())
    first, again = sample.pushed(text_push(1)), sample.pushed(text_push(1))
    assert first.body != again.body
    assert sample.connector.source_key(first) == sample.connector.source_key(again)
    as_xml = sample.pushed(text_push(2), format="xml")
    assert sample.connector.source_key(first) != sample.connector.source_key(as_xml)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
NAMES = (
    "FromUserName", "CreateTime", "MsgId", "Content", "MediaId", "PicUrl", "Title", "AppId", "PagePath",
    "ThumbUrl", "ThumbMediaId", "SessionFrom", "List", "SubscribeMsgPopupEvent", "SubscribeMsgSentEvent",
    "ToUserName",
)  # fmt: skip
PLAIN = connected(mode="plain")
TYPES = st.sampled_from(["text", "image", "miniprogrampage", "event", "x", ""])
EVENTS = st.sampled_from(["user_enter_tempsession", "subscribe_msg_popup_event", "subscribe_msg_sent_event", "x"])


@settings(deadline=None, max_examples=200)
@given(
    fields=st.dictionaries(st.sampled_from(NAMES), JSON),
    kind=TYPES | JSON,
    name=EVENTS | JSON,
    known=st.booleans(),
)
def test_fields_of_any_type_are_read_or_refused(fields: dict[str, Any], kind: Any, name: Any, known: bool) -> None:
    pushed = {**fields, "MsgType": kind, "Event": name} | ({"FromUserName": "o1"} if known else {})
    try:
        (message,) = PLAIN.parse(event(raw({}, json.dumps(pushed).encode())))
    except OmnihubError:
        return
    assert isinstance(message, InboundMessage)
    assert message.external_id
    assert message.sender.key == f"wechat:{APPID}:{message.thread_key}"


# — settings —


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"aes_key": ""}, "safe mode needs an EncodingAESKey"),
        ({"aes_key": "short"}, "43 characters"),
        ({"base_url": "api.weixin.qq.com"}, "https://api"),
        ({"typing_path": "typing?x=1"}, "pattern"),
        ({"picture_hosts": ["http://qpic.cn"]}, "host names"),
        ({"prepared_messages": [{"id": "a", "name": "A", "kind": "link", "title": "t"}]}, "needs text, url"),
        ({"prepared_messages": [{"id": "a", "name": "A", "kind": "subscribe", "text": "t"}]}, "needs template_id"),
        (
            {
                "prepared_messages": [
                    {"id": "a", "name": "A", "kind": "mini_program", "title": "t", "page": "p", "picture_url": "x"}
                ]
            },
            "https://",
        ),
        (
            {
                "prepared_messages": [
                    {"id": "a", "name": "A", "kind": "subscribe", "text": "t", "template_id": "i"}
                ]
                * 2
            },
            "two prepared messages",
        ),
    ],
)
def test_settings_that_do_not_fit_are_refused(changed: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Settings.model_validate({**Sample.settings, **changed})


def test_windows_follow_the_settings() -> None:
    mini = connected(window_hours=24, window_messages=3, moment_seconds=30, moment_messages=1)
    window = mini.reply_window()
    assert window is not None
    assert (window.hours, window.messages) == (24, 3)
    entered = {**text_push(1), "MsgType": "event", "Event": "user_enter_tempsession"}
    (message,) = mini.parse(event(Sample(mini).pushed(entered)))
    assert isinstance(message, InboundMessage)
    assert message.allowance == Allowance(seconds=30, messages=1)


# — sending —


async def test_a_text_and_a_picture_reach_the_phone(phone: Simulator, hub: Connector) -> None:
    await phone.hear(ZHANG, Spoken(kind="text", text="你好"))
    result = await hub.send(reply("好的 \U0001f600"))
    picture = OutgoingAttachment(filename="图.png", content_type="image/png", content=COVER)
    await hub.send(reply("", attachments=(picture,)))
    shown = [line for line in phone.chats.lines(ZHANG.id) if line.author == "desk"]
    assert [(line.kind, line.text, line.media) for line in shown] == [
        ("text", "好的 \U0001f600", b""), ("image", "", COVER),
    ]  # fmt: skip
    assert result.external_id == "out:01k0000000000000000000sample"
    assert phone.desk.tokens.calls == 1


@pytest.mark.parametrize(
    ("content_type", "size"),
    [("image/gif", 10), ("video/mp4", 10), ("application/pdf", 10), ("image/png", 2_097_153)],
)
async def test_files_that_it_cannot_carry_are_refused_first(
    content_type: str, size: int, phone: Simulator, hub: Connector
) -> None:
    await phone.hear(ZHANG, Spoken(kind="text", text="你好"))
    file = OutgoingAttachment(filename="f", content_type=content_type, content=bytes(size))
    with pytest.raises(Refused, match="does not carry"):
        await hub.send(reply("", attachments=(file,)))
    assert phone.desk.seen == []


async def test_a_message_opens_five_answers_and_entering_two(
    phone: Simulator, hub: Connector, clock: Clock
) -> None:
    with pytest.raises(WindowClosed, match="45015"):
        await hub.send(reply())
    await phone.hear(ZHANG, Spoken(kind="enter"))
    for _ in range(2):
        await hub.send(reply())
    with pytest.raises(WindowClosed, match="45047"):
        await hub.send(reply())
    await phone.hear(ZHANG, Spoken(kind="text", text="你好"))
    clock.now += 61
    for _ in range(5):
        await hub.send(reply())
    with pytest.raises(WindowClosed, match="45047"):
        await hub.send(reply())
    await phone.hear(ZHANG, Spoken(kind="text", text="还在吗"))
    clock.now += 48 * 3600 + 1
    with pytest.raises(WindowClosed, match="45015"):
        await hub.send(reply())


async def test_entering_opens_a_minute_only(phone: Simulator, hub: Connector, clock: Clock) -> None:
    await phone.hear(ZHANG, Spoken(kind="enter"))
    clock.now += 61
    with pytest.raises(WindowClosed, match="45015"):
        await hub.send(reply())


async def test_a_token_that_is_unknown_is_renewed_once(phone: Simulator, hub: Connector) -> None:
    await phone.hear(ZHANG, Spoken(kind="text", text="你好"))
    await hub.send(reply("first"))
    phone.desk.tokens.revoke()
    await hub.send(reply("second"))
    assert phone.desk.tokens.calls == 2
    assert [body["text"]["content"] for _, body in phone.desk.seen] == ["first", "second"]


@pytest.mark.parametrize(
    ("code", "words", "raised"),
    [
        (-1, "system error", TryLater),
        (45011, "api minute-quota reach limit", TryLater),
        (45009, "reach max api daily quota limit", TryLater),
        (48001, "api unauthorized", Refused),
        (45002, "content size out of limit", Refused),
    ],
)
async def test_what_the_platforms_errors_mean(
    code: int, words: str, raised: type[OmnihubError], phone: Simulator, hub: Connector
) -> None:
    await phone.hear(ZHANG, Spoken(kind="text", text="你好"))
    phone.desk.fail_next(SEND, code, words)
    with pytest.raises(raised, match=words) as caught:
        await hub.send(reply())
    assert type(caught.value) is raised


async def test_typing_goes_where_the_settings_say(phone: Simulator, hub: Connector, clock: Clock) -> None:
    await phone.hear(ZHANG, Spoken(kind="text", text="你好"))
    await hub.typing(reply(""))
    assert phone.desk.is_typing(ZHANG.id)
    assert phone.desk.seen == [(TYPING, {"touser": ZHANG.id, "command": "Typing"})]
    elsewhere = connector_of(phone, hub.toolbox.http, clock, typing_path="/cgi-bin/message/custom/business/typing")
    with pytest.raises(Refused, match="HTTP 404"):
        await elsewhere.typing(reply(""))


async def test_the_connection_is_tested(phone: Simulator, hub: Connector, clock: Clock) -> None:
    assert [one.ok for one in await hub.check()] == [True, True]
    wrong = connector_of(phone, hub.toolbox.http, clock, app_secret="not-the-app-secret", mode="plain")
    credentials, encryption = await wrong.check()
    assert not credentials.ok
    assert "40125" in credentials.detail
    assert "AppSecret" in credentials.remedy
    assert not encryption.ok


async def test_nobody_to_send_to(hub: Connector) -> None:
    with pytest.raises(Refused):
        await hub.send(reply(to=()))


# — prepared messages —


async def test_cards_and_links_are_sent_with_their_blanks_filled(
    phone: Simulator, hub: Connector, clock: Clock
) -> None:
    await phone.hear(ZHANG, Spoken(kind="text", text="你好"))
    await hub.send(use("order-page", order="A&7 一"))
    await hub.send(use("order-page", order="8"))
    await hub.send(use("returns"))
    cards = [body["miniprogrampage"] for _, body in phone.desk.seen if body["msgtype"] == "miniprogrampage"]
    assert [(one["title"], one["pagepath"]) for one in cards] == [
        ("订单 A&7 一", "pages/order/detail?id=A%267%20%E4%B8%80"), ("订单 8", "pages/order/detail?id=8"),
    ]  # fmt: skip
    assert cards[0]["thumb_media_id"] == cards[1]["thumb_media_id"]
    assert phone.desk.shelf.get(cards[0]["thumb_media_id"]).content == COVER
    (link,) = [body["link"] for _, body in phone.desk.seen if body["msgtype"] == "link"]
    assert set(link) == {"title", "description", "url", "thumb_url"}
    clock.now += 2 * 86_400 + 1
    await phone.hear(ZHANG, Spoken(kind="text", text="again"))
    await hub.send(use("order-page", order="9"))
    assert phone.desk.seen[-1][1]["miniprogrampage"]["thumb_media_id"] != cards[0]["thumb_media_id"]


@pytest.mark.parametrize(
    ("status", "body", "raised", "words"),
    [
        (404, b"", Refused, "HTTP 404"),
        (200, b"<html>", Refused, "no JPG or PNG"),
        (503, b"", TryLater, "HTTP 503"),
    ],
)
async def test_a_card_without_its_picture_is_not_sent(
    status: int,
    body: bytes,
    raised: type[OmnihubError],
    words: str,
    phone: Simulator,
    hub: Connector,
    clock: Clock,
) -> None:
    async def picture(_: web.Request) -> web.Response:
        return web.Response(status=status, body=body)

    site = web.Application()
    site.router.add_get("/cover.png", picture)
    server = Loopback(site)
    await phone.hear(ZHANG, Spoken(kind="text", text="你好"))
    mini = connector_of(phone, hub.toolbox.http, clock, prepared_messages=prepared(await server.start()))
    with pytest.raises(raised, match=words):
        await mini.send(use("order-page", order="7"))
    await server.stop()
    assert phone.desk.seen == []


async def test_subscribe_messages_go_once_for_each_agreement(
    phone: Simulator, hub: Connector, clock: Clock
) -> None:
    order = use("order-status", character_string1="SO-7", phrase2="已发货")
    with pytest.raises(Refused, match=r"43101 user refuse .*has not agreed"):
        await hub.send(order)
    await phone.hear(ZHANG, Spoken(kind="accept"))
    clock.now += 90 * 86_400
    assert (await hub.send(order)).external_id
    ((path, body),) = phone.desk.seen
    assert path == "/cgi-bin/message/subscribe/send"
    assert body["data"] == {"character_string1": {"value": "SO-7"}, "phrase2": {"value": "已发货"}}
    assert body["page"] == "pages/order/list"
    assert phone.chats.lines(ZHANG.id)[-1].text == "订单状态提醒\n订单号：SO-7\n状态：已发货"
    with pytest.raises(Refused, match="43101"):
        await hub.send(order)


async def test_empty_blanks_and_forgotten_messages_are_refused(phone: Simulator, hub: Connector) -> None:
    with pytest.raises(Refused, match="订单号"):
        await hub.send(use("order-status", phrase2="已发货"))
    with pytest.raises(Refused, match="no prepared message"):
        await hub.send(use("of-last-year"))
    assert phone.desk.tokens.calls == 0
    assert [one.id for one in hub.templates()] == ["order-page", "returns", "order-status"]
    assert hub.templates()[2].text == "订单状态提醒\n订单号：{character_string1}\n状态：{phrase2}"


# — what customers send —


class Door:
    """A hub that keeps what is pushed, and answers as it is told."""

    def __init__(self, hub: Connector) -> None:
        self.hub = hub
        self.answers: list[tuple[int, bytes]] = []
        self.taken: list[RawRequest] = []
        app = application()
        app.router.add_route("*", "/in/wechat_miniprogram/a-key", self._answer)
        self._server = Loopback(app)

    async def start(self) -> str:
        return f"{await self._server.start()}/in/wechat_miniprogram/a-key"

    async def stop(self) -> None:
        await self._server.stop()

    async def _answer(self, request: web.Request) -> web.Response:
        body = await request.read()
        given = RawRequest(
            source="webhook", method=request.method, body=body, received_at=NOW, query=dict(request.query)
        )  # fmt: skip
        reply = self.hub.challenge(given)
        if reply is None:
            self.hub.verify(given)
            self.taken.append(given)
            reply = self.hub.acknowledge(given, "01event")
            if self.answers:
                status, words = self.answers.pop(0)
                return web.Response(status=status, body=words)
        return web.Response(status=reply.status, body=reply.body)

    def read(self) -> list[InboundMessage]:
        found = [one for request in self.taken for one in self.hub.parse(event(request))]
        assert all(isinstance(one, InboundMessage) for one in found)
        return [one for one in found if isinstance(one, InboundMessage)]


@pytest.mark.parametrize("mode", ["safe", "compatible", "plain"])
@pytest.mark.parametrize("format", ["json", "xml"])
async def test_everything_a_user_does_arrives_in_every_mode(
    mode: Mode, format: Format, tmp_path: Path, clock: Clock
) -> None:
    phone = Simulator(tmp_path, mode=mode, format=format, clock=clock)
    await phone.start()
    async with aiohttp.ClientSession() as http:
        door = Door(connector_of(phone, http, clock))
        await phone.attach({NAME: await door.start()})
        for kind, text in (
            ("enter", "from the cart"),
            ("text", "你好"),
            ("card", ""),
            ("accept", ""),
            ("tomorrow", "x"),
        ):
            await phone.hear(LIU, Spoken(kind=kind, text=text))
        await phone.hear(LIU, Spoken(kind="image", content=COVER, content_type="image/png"))
        entered, text, card, accepted, tomorrow, image = door.read()
        fetched = [await door.hub.fetch(one) for one in (*card.media, *image.media)]
        await door.stop()
    await phone.stop()
    assert all(outcome.taken for outcome in phone.outcomes)
    assert {one.sender.key for one in door.read()} == {f"wechat:{door.hub.settings.app_id}:{LIU.id}"}
    assert (entered.extra["session_from"], entered.allowance) == (
        "from the cart",
        Allowance(seconds=60, messages=2),
    )
    assert text.text == "你好"
    assert card.text.startswith("我的订单")
    assert accepted.extra["choices"][0]["choice"] == "accept"
    assert tomorrow.kind == "unsupported"
    assert [one.content for one in fetched] == [COVER, COVER]
    assert len({one.external_id for one in door.read()}) == 6


async def test_what_is_not_taken_is_pushed_three_times(phone: Simulator, hub: Connector) -> None:
    door = Door(hub)
    await phone.hear(DAVID, Spoken(kind="text", text="hello?"))
    assert phone.chats.lines(DAVID.id)[-1].text == NOT_SAVED
    await phone.attach({NAME: await door.start()})
    door.answers = [(503, b""), (503, b"")]
    await phone.hear(DAVID, Spoken(kind="text", text="one"))
    assert [one.status for one in phone.outcomes[-1].attempts] == [503, 503, 200]
    assert len({one.external_id for one in door.read()}) == 1
    door.answers = [(200, b'{"ok": true}')]
    await phone.hear(DAVID, Spoken(kind="text", text="two"))
    await door.stop()
    assert [line.text for line in phone.chats.lines(DAVID.id)] == ["hello?", NOT_SAVED, "one", "two", FAULT]


async def test_a_wrong_token_is_not_saved_in_the_console(phone: Simulator, hub: Connector, clock: Clock) -> None:
    async def refuse(_: web.Request) -> web.Response:
        return web.Response(status=401)

    app = application()
    app.router.add_route("*", "/{tail:.*}", refuse)
    server = Loopback(app)
    await phone.attach({NAME: await server.start()})
    await server.stop()
    assert phone.pusher.url == ""


async def test_a_picture_whose_media_id_is_gone_is_found_at_its_address(
    phone: Simulator, hub: Connector, clock: Clock
) -> None:
    kept = phone.desk.shelf.put("image", COVER, "image/png", "picture.png")
    ref = {"media_id": "forgotten", "pic_url": f"{phone.url}/pictures/{kept}"}
    assert (await hub.fetch(LentMedia(ref=ref))).content == COVER
    with pytest.raises(Refused, match="not the platform's"):
        await hub.fetch(LentMedia(ref={"media_id": "forgotten", "pic_url": "http://127.0.0.1:1/secret"}))
    with pytest.raises(Refused, match="40007"):
        await hub.fetch(LentMedia(ref={"media_id": "forgotten"}))
