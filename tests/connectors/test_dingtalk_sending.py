"""Answers, files, profiles and refusals against the simulated API."""

import json
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from dingtalk_world import QUICK, answer, begun, connected, person, said, simulated

from omnihub.connectors import registry
from omnihub.connectors.dingtalk import audio, files
from omnihub.connectors.dingtalk.connector import Connector
from omnihub.connectors.dingtalk.people import member_key
from omnihub.connectors.dingtalk.sending import target_of
from omnihub.connectors.dingtalk.settings import Settings
from omnihub.connectors.dingtalk.simulator import Simulator
from omnihub.connectors.dingtalk.simulator_state import CORP_ID, GROUP_ID, Rules
from omnihub.connectors.simulation import Line, Loopback, amr_note, tone
from omnihub.model.errors import Invalid, OmnihubError, Refused, TryLater, Uncertain, WindowClosed
from omnihub.model.inbound import Handle, InboundMessage, LentMedia
from omnihub.model.outgoing import OutgoingAttachment
from omnihub.model.raw import RawEvent, RawRequest

PNG = b"\x89PNG\r\n\x1a\n" + bytes(40)
PDF = b"%PDF-1.4\n" + bytes(40)
PICTURE = OutgoingAttachment(filename="a.png", content_type="image/png", content=PNG)
PAPER = OutgoingAttachment(filename="合同.PDF", content_type="application/pdf", content=PDF)
CHEN = Handle(key=member_key(CORP_ID, "chen.xiaowen"))


@pytest.fixture
async def simulator(tmp_path: Path) -> AsyncIterator[Simulator]:
    async with simulated(tmp_path) as running:
        yield running


@pytest.fixture
async def connector(simulator: Simulator) -> AsyncIterator[Connector]:
    async with connected(simulator) as made:
        yield made


def wrote(simulator: Simulator, connector: Connector, who: str, **more: Any) -> InboundMessage:
    """What the hub reads when this person writes."""
    payload = simulator.payload(person(simulator, who), said(**{"text": "你好", **more}))
    request = RawRequest(source="webhook", body=json.dumps(payload).encode(), received_at=datetime.now(UTC))
    (message,) = connector.parse(RawEvent(id="01e", account_id="01a", request=request))
    assert isinstance(message, InboundMessage)
    return message


def last(simulator: Simulator, who: str) -> Line:
    return simulator.chats.lines(who)[-1]


def calls(simulator: Simulator) -> list[str]:
    return [path.rpartition("/")[2] for path, _ in simulator.state.requests]


# — where an answer goes —


async def test_an_answer_goes_into_the_session(simulator: Simulator, connector: Connector) -> None:
    result = await connector.send(answer(wrote(simulator, connector, "chen.xiaowen"), "马上来"))
    assert result.external_id == "out:01kout"
    assert last(simulator, "chen.xiaowen").text == "马上来"
    assert calls(simulator) == ["sendBySession"]
    assert simulator.chats.lines("daniel.weber") == []


async def test_a_group_answer_mentions_its_author(simulator: Simulator, connector: Connector) -> None:
    message = wrote(simulator, connector, "group-wang.lei")
    assert message.thread_key == f"group:{GROUP_ID}"
    assert message.sender.key == member_key(CORP_ID, "wang.lei")
    await connector.send(answer(message, "收到"))
    assert last(simulator, "group-wang.lei").text == last(simulator, "group-li.na").text == "@王磊 收到"


async def test_a_group_answer_mentions_nobody_where_that_is_off(simulator: Simulator) -> None:
    async with connected(simulator, mention_author=False) as connector:
        await connector.send(answer(wrote(simulator, connector, "group-wang.lei"), "收到"))
    assert last(simulator, "group-li.na").text == "收到"


async def test_after_the_session_the_robot_writes_by_itself(tmp_path: Path) -> None:
    async with simulated(tmp_path, replace(QUICK, session_seconds=10)) as simulator:
        async with connected(simulator) as connector:  # too near its end to be used
            result = await connector.send(answer(wrote(simulator, connector, "chen.xiaowen"), "晚了一点"))
            assert len(result.external_id) == 32
            group = await connector.send(answer(wrote(simulator, connector, "group-wang.lei"), "也晚了"))
            assert len(group.external_id) == 32
        assert calls(simulator) == ["batchSend", "send"]
        assert last(simulator, "chen.xiaowen").text == "晚了一点"
        assert last(simulator, "group-li.na").text == "也晚了"
        assert simulator.state.requests[0][1]["msgParam"] == '{"content":"晚了一点"}'


async def test_a_session_that_turns_out_to_be_over_is_no_obstacle(
    simulator: Simulator, connector: Connector
) -> None:
    message = wrote(simulator, connector, "chen.xiaowen")
    simulator.state.sessions.clear()
    await connector.send(answer(message, "绕道"))
    assert calls(simulator) == ["batchSend"]
    assert last(simulator, "chen.xiaowen").text == "绕道"


async def test_a_session_of_somebody_else_is_not_used(simulator: Simulator, connector: Connector) -> None:
    """The last message in the thread may be another person's: the answer still goes to whom it is for."""
    other = wrote(simulator, connector, "daniel.weber")
    await connector.send(replace(begun(CHEN, "只给你"), answering=other.wire))
    assert last(simulator, "chen.xiaowen").text == "只给你"
    assert simulator.chats.lines("daniel.weber") == []
    group = wrote(simulator, connector, "group-wang.lei")
    await connector.send(replace(begun(CHEN, "不进群"), answering=group.wire))
    assert last(simulator, "chen.xiaowen").text == "不进群"
    assert simulator.chats.lines("group-li.na") == []


@pytest.mark.parametrize(
    "address",
    [
        "https://evil.example/robot/sendBySession?session=1",
        "https://oapi.dingtalk.com.evil.example/robot",
        "https://oapi.dingtalk.com@evil.example/robot",
        "https://evil.example\\@oapi.dingtalk.com/robot",
        "http://oapi.dingtalk.com/robot",
        "https://oapi.dingtalk.com:8443/robot",
        "file:///etc/passwd",
        "http://169.254.169.254/latest",
        "https://[",
        "//oapi.dingtalk.com/robot",
        "",
    ],
)
async def test_an_answer_is_posted_to_dingtalk_only(address: str) -> None:
    settings = Settings.model_validate({"client_id": "c1", "client_secret": "secret-of-this-test"})
    now = datetime.now(UTC)
    wire = {"webhook": address, "expires": (now.timestamp() + 3600) * 1000, "group": "", "sender": CHEN.key}
    assert target_of(replace(begun(CHEN), answering=wire), settings, now).session == ""
    good = {**wire, "webhook": "https://oapi.dingtalk.com/robot/sendBySession?session=1"}
    assert target_of(replace(begun(CHEN), answering=good), settings, now).session == good["webhook"]


async def test_people_from_outside_are_answered_within_the_session_only(
    simulator: Simulator, connector: Connector
) -> None:
    simulator.state.outsiders.add("daniel.weber")
    message = wrote(simulator, connector, "daniel.weber")
    assert message.sender.key.startswith("dingtalk:dingdemoclient0001:$%3ALWCP_v1%3A$")
    await connector.send(answer(message, "Hello"))
    assert last(simulator, "daniel.weber").text == "Hello"
    with pytest.raises(WindowClosed):
        await connector.send(answer(message, "", PICTURE))
    with pytest.raises(WindowClosed):
        await connector.send(replace(answer(message, "late"), answering={**message.wire, "expires": 1}))
    assert calls(simulator) == ["sendBySession"]
    assert await connector.profile(message.sender) is None


async def test_whom_the_robot_may_write_to_first(simulator: Simulator, connector: Connector) -> None:
    assert connector.reaches(CHEN)
    assert not connector.reaches(Handle(key="dingtalk:another-corp:chen.xiaowen"))
    assert not connector.reaches(Handle(key=f"dingtalk:{CORP_ID}:$%3ALWCP_v1%3A$x"))
    assert not connector.reaches(Handle(key="wechat:app:openid"))
    async with connected(simulator, corp_id="") as unknown:
        assert not unknown.reaches(CHEN)


# — files —


@pytest.mark.parametrize(
    ("file", "kind", "param"),
    [
        (PICTURE, "image", {"photoURL"}),
        (PAPER, "file", {"mediaId", "fileName", "fileType"}),
        (
            OutgoingAttachment(filename="v.wav", content_type="audio/wav", content=tone()),
            "voice",
            {"mediaId", "duration"},
        ),
        (
            OutgoingAttachment(filename="v.amr", content_type="audio/amr", content=amr_note()),
            "voice",
            {"mediaId", "duration"},
        ),
        (
            OutgoingAttachment(filename="v.mp4", content_type="video/mp4", content=bytes(9)),
            "file",
            {"mediaId", "fileName", "fileType"},
        ),
    ],
)
async def test_a_file_arrives_as_what_it_is(
    simulator: Simulator, connector: Connector, file: OutgoingAttachment, kind: str, param: set[str]
) -> None:
    await connector.send(answer(wrote(simulator, connector, "chen.xiaowen"), "", file))
    line = last(simulator, "chen.xiaowen")
    assert (line.kind, line.media) == (kind, file.content)
    sent = json.loads(str(simulator.state.requests[-1][1]["msgParam"]))
    assert set(sent) == param
    assert all(isinstance(value, str) for value in sent.values())
    if kind == "voice":
        assert sent["duration"] == "1000"
    if kind == "file":
        assert (sent["fileName"], sent["fileType"]) == (file.filename, file.filename[-3:].lower())


async def test_a_file_goes_to_the_group(simulator: Simulator, connector: Connector) -> None:
    await connector.send(answer(wrote(simulator, connector, "group-wang.lei"), "", PAPER))
    assert last(simulator, "group-li.na").filename == "合同.PDF"


async def test_pictures_may_go_as_a_link(simulator: Simulator) -> None:
    linked = replace(PICTURE, url="https://hub.example.test/files/a.png?sign=1")
    async with connected(simulator, pictures_by_link=True) as connector:
        await connector.send(begun(CHEN, "", linked))
        assert linked.url in last(simulator, "chen.xiaowen").text
        await connector.send(begun(CHEN, "", replace(PICTURE, url="http://hub.example.test/a.png")))
        assert last(simulator, "chen.xiaowen").media == PNG  # DingTalk takes no unencrypted address


async def test_a_text_and_a_file_are_not_one_message(connector: Connector) -> None:
    with pytest.raises(Refused):
        await connector.send(replace(begun(CHEN, "", PICTURE), text="两样"))


async def test_a_lent_file_is_fetched_and_named(simulator: Simulator, connector: Connector) -> None:
    message = wrote(simulator, connector, "chen.xiaowen", kind="image", text="", content=PNG, filename="p.png")
    fetched = await connector.fetch(message.media[0])
    assert (fetched.content, fetched.filename, fetched.content_type) == (PNG, "image.png", "image/png")
    message = wrote(simulator, connector, "chen.xiaowen", kind="voice", text="我想退货", content=amr_note())
    assert message.text == "我想退货"
    fetched = await connector.fetch(message.media[0])
    assert (fetched.filename, fetched.content_type) == ("voice.amr", "audio/amr")
    message = wrote(simulator, connector, "chen.xiaowen", kind="file", content=b"?", filename="数据.bin")
    fetched = await connector.fetch(message.media[0])
    assert (fetched.filename, fetched.content_type) == ("数据.bin", "")


async def test_a_file_that_cannot_be_had(
    simulator: Simulator, connector: Connector, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Refused, match=r"downloadCode\.invalid"):
        await connector.fetch(LentMedia(ref={"code": "gone"}))
    message = wrote(simulator, connector, "chen.xiaowen", kind="image", text="", content=PNG)
    stranger = replace(message.media[0], ref={**message.media[0].ref, "robot": "another-robot"})
    with pytest.raises(Refused, match=r"robot\.oto\.notExist"):
        await connector.fetch(stranger)
    monkeypatch.setattr(files, "MAX_BYTES", 10)
    with pytest.raises(Refused, match="larger than 10 bytes"):
        await connector.fetch(message.media[0])


@pytest.mark.parametrize(
    ("content", "millis"),
    [
        (amr_note(150), 3000),
        (tone(2.5), 2500),
        (b"RIFFgarbage", 0),
        (b"#!AMR\n", 0),
        (b"ID3\x04\0\0\0\0\0\x05hello" + b"\xff\xfb\x90\x00" + bytes(15_996), 1000),  # 128 kbit/s
        (b"\xff\xf3\x40\x00" + bytes(3_996), 1000),  # MPEG-2, 32 kbit/s
        (b"\xff\xfb\xf0\x00" + bytes(100), 0),
        (b"", 0),
    ],
)
def test_how_long_a_sound_lasts(content: bytes, millis: int) -> None:
    assert audio.milliseconds(content) == millis


# — who they are —


async def test_a_members_profile(simulator: Simulator, connector: Connector) -> None:
    profile = await connector.profile(CHEN)
    assert profile is not None
    assert profile.name == "陈晓雯"
    assert profile.avatar.startswith(b"\x89PNG")
    union, phone = profile.proven
    assert union == "dingtalk-union:union-chen.xiaowen"
    assert phone.startswith("phone:+861380013")
    assert await connector.profile(Handle(key=member_key(CORP_ID, "left.long.ago"))) is None


PROFILES = [
    ({"name": "甲", "mobile": "+44 7911 123456"}, ("phone:+447911123456",)),
    ({"name": "甲", "mobile": "7911123456", "state_code": "44"}, ("phone:+447911123456",)),
    ({"name": "甲", "mobile": "123"}, ()),
    ({"name": "甲", "mobile": "not a number"}, ()),
    ({"name": "甲"}, ()),  # without the permission there is no number
    ({"name": "甲", "avatar": "http://169.254.169.254/x.png"}, ()),
    ({"name": "甲", "avatar": "https://[broken"}, ()),
]


@pytest.mark.parametrize(("result", "proven"), PROFILES)
async def test_only_what_is_certain_is_proven(result: Mapping[str, Any], proven: tuple[str, ...]) -> None:
    async with playing({"/topapi/v2/user/get": lambda: ok({"errcode": 0, "result": result})}) as made:
        profile = await made.profile(CHEN)
    assert profile is not None
    assert (profile.name, profile.proven, profile.avatar) == ("甲", proven, b"")


# — refusals —


def ok(body: Any, status: int = 200) -> web.Response:
    return web.json_response(body, status=status)


class playing:
    """Connects to an API that answers as the table says; the token is always given."""

    def __init__(self, table: Mapping[str, Callable[[], web.Response]]) -> None:
        async def reply(request: web.Request) -> web.Response:
            if request.path.endswith("/accessToken") and request.path not in table:
                return ok({"accessToken": "t", "expireIn": 7200})
            await request.read()
            return table[request.path]()

        app = web.Application()
        app.add_routes([web.route("*", "/{path:.*}", reply)])
        self._loopback = Loopback(app)

    async def __aenter__(self) -> Connector:
        url = await self._loopback.start()
        self._inner = connected(Simulator(Path()), api_url=url, oapi_url=url, session_hosts=[url[7:]])
        return await self._inner.__aenter__()

    async def __aexit__(self, *error: Any) -> None:
        await self._inner.__aexit__(*error)
        await self._loopback.stop()


SEND = "/v1.0/robot/oToMessages/batchSend"


def fault(code: str, status: int = 400) -> Callable[[], web.Response]:
    return lambda: ok({"requestid": "r", "code": code, "message": "说明"}, status)


@pytest.mark.parametrize(
    ("reply", "error", "words"),
    [
        (fault("staffId.notExisted"), Refused, "staffId.notExisted 说明"),
        (fault("Forbidden.AccessDenied.QpsLimitForAppkeyAndApi", 403), TryLater, "QpsLimit"),
        (fault("Forbidden.AccessDenied.QpsLimitForApi", 403), TryLater, "QpsLimitForApi"),
        (fault("Forbidden.AccessDenied.ApiCountLimitForOrg", 403), Refused, "ApiCountLimitForOrg"),
        (fault("send.too.fast"), TryLater, "send.too.fast"),
        (fault("InvalidAuthentication"), TryLater, "InvalidAuthentication"),
        (fault("ServiceUnavailable", 503), TryLater, "503"),
        (fault("InternalError", 500), Uncertain, "500"),
        (lambda: web.Response(status=429), TryLater, "429"),
        (lambda: web.Response(text="<html>", content_type="text/html"), TryLater, "web page"),
        (lambda: web.Response(text="<html>", content_type="text/html", status=403), TryLater, "web page"),
        (lambda: web.Response(text="pardon?"), Uncertain, "pardon"),
        (lambda: ok({"processQueryKey": "k", "invalidStaffIdList": ["chen.xiaowen"]}), Refused, "invalidStaffId"),
        (
            lambda: ok({"processQueryKey": "k", "flowControlledStaffIdList": ["chen.xiaowen"]}),
            TryLater,
            "flowControlled",
        ),
    ],
)
async def test_what_a_refusal_means(
    reply: Callable[[], web.Response], error: type[OmnihubError], words: str
) -> None:
    async with playing({SEND: reply}) as connector:
        with pytest.raises(error, match=words) as raised:
            await connector.send(begun(CHEN))
    assert type(raised.value) is error


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({"errcode": 130101, "errmsg": "send too fast"}, TryLater),
        ({"errcode": 88, "sub_code": "90018", "sub_msg": "too fast"}, TryLater),
        ({"errcode": -1, "errmsg": "busy"}, TryLater),
        ({"errcode": "oops"}, None),
        ({"errcode": 310000, "errmsg": "no"}, None),
    ],
)
async def test_what_a_session_says(body: Mapping[str, Any], error: type[OmnihubError] | None) -> None:
    """A pause is kept; any other refusal said nothing to anybody, so that the robot writes by itself."""
    sent = []

    def by_robot() -> web.Response:
        sent.append(1)
        return ok({"processQueryKey": "key-1"})

    async with playing({"/robot/sendBySession": lambda: ok(body), SEND: by_robot}) as connector:
        (host,) = connector.settings.session_hosts
        wire = {"webhook": f"http://{host}/robot/sendBySession?session=1", "sender": CHEN.key, "group": ""}
        message = replace(begun(CHEN), answering={**wire, "expires": 4_000_000_000_000})
        if error:
            with pytest.raises(error):
                await connector.send(message)
        else:
            assert (await connector.send(message)).external_id == "key-1"
    assert len(sent) == (error is None)


async def test_a_message_is_sent_once_with_a_new_token_where_the_old_one_ended(
    simulator: Simulator, connector: Connector
) -> None:
    await connector.send(begun(CHEN, "一"))
    simulator.state.tokens.clear()
    await connector.send(begun(CHEN, "二"))
    simulator.state.tokens.clear()
    assert await connector.profile(CHEN) is not None  # the older API has its own word for it
    assert [line.text for line in simulator.chats.lines("chen.xiaowen")] == ["一", "二"]


async def test_the_platforms_pace_and_quota(tmp_path: Path) -> None:
    rules = Rules(clock=lambda: 1_800_000_000.0, calls_per_second=3, calls_per_month=5)
    async with simulated(tmp_path, rules) as simulator, connected(simulator) as connector:
        for _ in range(3):
            await connector.send(begun(CHEN))
        with pytest.raises(TryLater, match="QpsLimitForAppkeyAndApi"):
            await connector.send(begun(CHEN))
        simulator.state.calls.clear()
        await connector.send(begun(CHEN))
        await connector.send(begun(CHEN))
        with pytest.raises(Refused, match="ApiCountLimitForOrg"):
            await connector.send(begun(CHEN))


async def test_an_object_instead_of_a_string_is_refused_by_the_simulator(
    simulator: Simulator, connector: Connector
) -> None:
    token = await connector._api.token()
    body = {"robotCode": "dingdemoclient0001", "userIds": ["chen.xiaowen"], "msgKey": "sampleText"}
    async with connector.toolbox.http.post(
        simulator.url + SEND,
        json={**body, "msgParam": {"content": "hi"}},
        headers={"x-acs-dingtalk-access-token": token},
    ) as refused:
        assert refused.status == 400
        assert (await refused.json())["code"] == "invalidParameter.msgParam.invalid"
    async with connector.toolbox.http.post(simulator.url + SEND, json=body) as refused:
        assert (await refused.json())["code"] == "AuthenticationFailed.MissingParameter"


# — the admin —


async def test_the_connections_test(simulator: Simulator, connector: Connector) -> None:
    assert [(one.name, one.ok) for one in await connector.check()] == [
        ("Client ID and Client Secret", True),
        ("Stream connection", True),
    ]
    async with connected(simulator, client_secret="not-the-secret") as wrong:
        (finding,) = await wrong.check()
    assert not finding.ok
    assert "invalidClientIdOrSecret" in finding.detail
    assert finding.remedy


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"api_url": "http://api.dingtalk.com"}, "api_url"),
        ({"oapi_url": "ftp://oapi.dingtalk.com"}, "oapi_url"),
        ({"session_hosts": ["https://oapi.dingtalk.com/robot"]}, "session_hosts"),
        ({"session_hosts": ["a@b"]}, "session_hosts"),
        ({"event_token": "t0ken123"}, "settings"),
        ({"event_token": "t0ken123", "event_aes_key": "short"}, "event_aes_key"),
        ({"client_id": "with space"}, "client_id"),
        ({"client_secret": "short"}, "client_secret"),
        ({"stream_connections": 0}, "stream_connections"),
    ],
)
def test_wrong_settings_are_named(wrong: Mapping[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as refused:
        registry.read_settings("dingtalk", {"client_id": "c1", "client_secret": "long-enough-secret", **wrong})
    assert field in refused.value.fields


# — the customers' page —


async def test_a_group_sees_what_is_said_to_the_robot(simulator: Simulator, connector: Connector) -> None:
    await simulator.chats.speak(person(simulator, "group-wang.lei"), said("今天能到吗"))
    assert last(simulator, "group-li.na").text == "王磊：@机器人 今天能到吗"
    assert simulator.chats.lines("chen.xiaowen") == []


async def test_a_picture_in_a_group_comes_as_rich_text(simulator: Simulator, connector: Connector) -> None:
    message = wrote(simulator, connector, "group-wang.lei", kind="image", text="看", content=PNG)
    assert message.text == "看[1]"
    assert (await connector.fetch(message.media[0])).content == PNG


async def test_a_robot_hears_no_voice_in_groups(simulator: Simulator) -> None:
    await simulator.chats.speak(person(simulator, "group-wang.lei"), said(kind="voice", content=amr_note()))
    assert "群聊中机器人收不到语音" in last(simulator, "group-wang.lei").text
    assert simulator.state.sessions == {}


async def test_an_invented_person_is_answered(simulator: Simulator, connector: Connector) -> None:
    new = simulator.chats.invent("Olga Petrova")
    await connector.send(answer(wrote(simulator, connector, new.id), "Hello Olga"))
    await connector.send(begun(Handle(key=member_key(CORP_ID, new.id)), "One more thing"))
    assert [line.text for line in simulator.chats.lines(new.id)] == ["Hello Olga", "One more thing"]
