"""Towards Twilio's API: against the simulator, and beside Twilio's own client."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from sms_fixtures import EMMA, connected, outgoing
from twilio.base.exceptions import TwilioRestException
from twilio.http.async_http_client import AsyncTwilioHttpClient
from twilio.rest import Client

from omnihub.connectors.contract import Finding
from omnihub.connectors.simulation import Spoken
from omnihub.connectors.sms import checking, media
from omnihub.connectors.sms.api import Api
from omnihub.connectors.sms.connector import Connector
from omnihub.connectors.sms.sample import Sample
from omnihub.connectors.sms.settings import Settings
from omnihub.connectors.sms.simulator import NUMBER, Simulator
from omnihub.model.errors import Refused, TryLater, Uncertain, WindowClosed
from omnihub.model.inbound import Handle, LentMedia
from omnihub.model.outgoing import Outgoing, OutgoingAttachment

DOOR = "http://127.0.0.1:9/in/sms/a-key"


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
async def simulator(tmp_path: Path) -> AsyncIterator[Simulator]:
    started = Simulator(tmp_path, callback_pause=0)
    await started.start()
    yield started
    await started.stop()


Connect = Callable[..., Connector]


@pytest.fixture
def connect(simulator: Simulator, http: aiohttp.ClientSession) -> Connect:
    def make(**changed: Any) -> Connector:
        now = changed.pop("now", None) or datetime.now(UTC)
        public_url = changed.pop("public_url", "http://127.0.0.1:9")
        return connected(http, now=now, public_url=public_url, **{**simulator.settings(), **changed})

    return make


def picture(url: str = "http://127.0.0.1:9/shared/x/p.png") -> OutgoingAttachment:
    return OutgoingAttachment(filename="p.png", content_type="image/png", content=b"png", url=url)


# — sending —


async def test_a_text_goes_out(connect: Connect, simulator: Simulator) -> None:
    result = await connect().send(outgoing("Grüße, 你好"))
    (record,) = simulator.twilio.records
    assert (record.to, record.sender, record.body) == (EMMA, NUMBER, "Grüße, 你好")
    assert record.callback == f"{DOOR}/status?m=01kmessage0000000000000001"
    assert result.external_id == "out:01kmessage0000000000000001"
    assert result.aliases == (record.sid,)
    assert result.words == "1 SMS segment (UCS-2)"
    await simulator.settled()
    assert [line.text for line in simulator.chats.lines(EMMA)] == ["Grüße, 你好"]


async def test_an_answer_comes_from_the_number_that_was_written_to(tmp_path: Path, http: Any) -> None:
    other = "+12025550144"
    simulator = Simulator(tmp_path, numbers=(NUMBER, other), callback_pause=0)
    await simulator.start()
    try:
        connector = connected(http, now=datetime.now(UTC), **simulator.settings())
        for answering in ({"number": other}, {"number": "+12025550199"}, {}):
            await connector.send(outgoing(answering=answering))
        service = {**simulator.settings(), "messaging_service_sid": simulator.twilio.service_sid}
        await connected(http, now=datetime.now(UTC), **service).send(outgoing())
    finally:
        await simulator.stop()
    assert [one.sender for one in simulator.twilio.records] == [other, NUMBER, NUMBER, NUMBER]
    assert [one.service for one in simulator.twilio.records] == [None, None, None, simulator.twilio.service_sid]


async def test_whatsapp_is_answered_by_whatsapp(connect: Connect, simulator: Simulator) -> None:
    await connect().send(outgoing(answering={"number": NUMBER, "channel": "whatsapp"}))
    (record,) = simulator.twilio.records
    assert (record.to, record.sender) == (f"whatsapp:{EMMA}", f"whatsapp:{NUMBER}")


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (outgoing("x" * 1601), "21617"),
        (outgoing(to="+1202"), "21211"),
        (outgoing("  \n"), "nothing to send"),
        (replace(outgoing(), to=(Handle(key="sms:01account:hidden-anonymous-SM1"),)), "hid their number"),
        (replace(outgoing(), to=(Handle(key=f"phone:{EMMA}"),) * 2), "one person"),
        (outgoing(attachments=(picture(),) * 11), "10 files at most"),
        (outgoing(attachments=(picture(""),)), "no address"),
        (outgoing(attachments=(picture("ftp://127.0.0.1/x"),)), "21609"),
    ],
)
async def test_what_twilio_or_the_connector_refuses(
    connect: Connect, simulator: Simulator, message: Outgoing, words: str
) -> None:
    with pytest.raises(Refused, match=words):
        await connect().send(message)
    assert simulator.twilio.records == []


async def test_opted_out_is_refused_in_words_until_start(connect: Connect, simulator: Simulator) -> None:
    emma = simulator.chats.people[0]
    await simulator.chats.speak(emma, Spoken(kind="stop"))
    with pytest.raises(Refused, match="unsubscribed recipient: the customer opted out by sending STOP"):
        await connect().send(outgoing())
    await simulator.chats.speak(emma, Spoken(kind="text", text="start"))
    assert (await connect().send(outgoing())).aliases


async def test_files_are_refused_where_mms_is_off(connect: Connect) -> None:
    with pytest.raises(Refused, match="send a link instead"):
        await connect(mms=False).send(outgoing(attachments=(picture(),)))


async def test_a_picture_is_fetched_from_the_hub(connect: Connect, simulator: Simulator) -> None:
    async def shared(request: web.Request) -> web.Response:
        return web.Response(body=b"\x89PNG picture", content_type="image/png")

    app = web.Application()
    app.router.add_get("/shared/p.png", shared)
    async with TestServer(app) as server:
        url = str(server.make_url("/shared/p.png"))
        result = await connect().send(outgoing("see here", attachments=(picture(url), picture(url))))
        await simulator.settled()
    assert result.words == "sent as MMS"
    lines = simulator.chats.lines(EMMA)
    assert [(line.kind, line.media) for line in lines] == [
        ("text", b""), ("image", b"\x89PNG picture"), ("image", b"\x89PNG picture"),
    ]  # fmt: skip
    assert simulator.twilio.records[0].status == "delivered"


async def test_a_picture_that_cannot_be_fetched_fails(connect: Connect, simulator: Simulator) -> None:
    await connect().send(outgoing(attachments=(picture(),)))
    await simulator.settled()
    assert (simulator.twilio.records[0].status, simulator.twilio.records[0].error) == ("failed", "11200")


async def test_wrong_credentials_wait_for_the_admin(connect: Connect) -> None:
    with pytest.raises(TryLater, match="Authenticate") as told:
        await connect(auth_token="a wrong token").send(outgoing())
    assert told.value.after == 300


async def test_too_many_calls_are_tried_later(tmp_path: Path, http: aiohttp.ClientSession) -> None:
    at = datetime.now(UTC)
    simulator = Simulator(tmp_path, callback_pause=0, calls_per_second=2, now=lambda: at)
    await simulator.start()
    try:
        connector = connected(http, now=at, **simulator.settings())
        for _ in range(2):
            await connector.send(outgoing())
        with pytest.raises(TryLater, match="20429"):
            await connector.send(outgoing())
    finally:
        await simulator.stop()
    assert len(simulator.twilio.records) == 2


@asynccontextmanager
async def answering(status: int, body: bytes, headers: dict[str, str] | None = None) -> AsyncIterator[str]:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(status=status, body=body, headers=headers)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    async with TestServer(app) as server:
        yield str(server.make_url("")).rstrip("/")


@pytest.mark.parametrize(
    ("status", "body", "error", "words"),
    [
        (500, b'{"code":20500,"message":"Internal Server Error"}', Uncertain, "may have taken"),
        (503, b"", Uncertain, "may have taken"),
        (201, b"<html>", Uncertain, "cannot be read"),
        (400, b'{"code":21611,"message":"Queue full"}', TryLater, "Queue full"),
        (400, b'{"code":63016,"message":"Outside the window"}', WindowClosed, "24 hours"),
        (400, b'{"code":21999,"message":"New words"}', Refused, r"^New words \(21999\)$"),
        (400, b"[]", Refused, r"HTTP 400 \[\]"),
        (302, b"", Refused, "HTTP 302"),
        (403, b"", TryLater, "HTTP 403"),
        (429, b"", TryLater, "HTTP 429"),
    ],
)
async def test_what_an_answer_means(
    http: aiohttp.ClientSession, status: int, body: bytes, error: type[Exception], words: str
) -> None:
    async with answering(status, body) as url:
        with pytest.raises(error, match=words):
            await connected(http, now=datetime.now(UTC), api_base_url=url).send(outgoing())


async def test_the_pause_that_twilio_names_is_kept(http: aiohttp.ClientSession) -> None:
    async with answering(429, b"{}", {"Retry-After": "7"}) as url:
        with pytest.raises(TryLater) as told:
            await connected(http, now=datetime.now(UTC), api_base_url=url).send(outgoing())
    assert told.value.after == 7


# — an unreliable way to Twilio —


class Line:
    """Between the hub and Twilio. `lose`: what becomes of the next message that is created: its answer is lost,
    or already the message itself."""

    def __init__(self, simulator: Simulator, http: aiohttp.ClientSession) -> None:
        self._simulator = simulator
        self._http = http
        self.lose = ""
        self.down_for_reading = False

    async def carry(self, request: web.Request) -> web.StreamResponse:
        if request.method == "GET" and self.down_for_reading:
            return web.Response(status=503)
        lost, self.lose = (self.lose, "") if request.method == "POST" else ("", self.lose)
        if lost == "message":
            return self._hang_up(request)
        url = f"{self._simulator.url}{request.path_qs}"
        headers = {
            name: request.headers[name] for name in ("Authorization", "Content-Type") if name in request.headers
        }
        body = await request.read()
        async with self._http.request(request.method, url, data=body, headers=headers) as answer:
            if lost == "answer":
                return self._hang_up(request)
            return web.Response(status=answer.status, body=await answer.read(), content_type="application/json")

    def _hang_up(self, request: web.Request) -> web.Response:
        assert request.transport is not None
        request.transport.close()
        return web.Response()


@pytest.fixture
async def line(simulator: Simulator, http: aiohttp.ClientSession) -> AsyncIterator[tuple[Line, str]]:
    between = Line(simulator, http)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", between.carry)
    async with TestServer(app) as server:
        yield between, str(server.make_url("")).rstrip("/")


async def test_a_lost_answer_is_found_and_not_sent_again(
    connect: Connect, simulator: Simulator, line: tuple[Line, str]
) -> None:
    between, url = line
    connector, message = connect(api_base_url=url), outgoing()
    between.lose = "answer"
    with pytest.raises(Uncertain):
        await connector.send(message)
    again = await connector.send(message)
    assert again.aliases == (simulator.twilio.records[0].sid,)
    assert "had taken it already" in again.words
    assert len(simulator.twilio.records) == 1


async def test_another_process_finds_it_as_well(
    connect: Connect, simulator: Simulator, line: tuple[Line, str]
) -> None:
    between, url = line
    message = outgoing()
    between.lose = "answer"
    with pytest.raises(Uncertain):
        await connect(api_base_url=url).send(message)
    later = connect(api_base_url=url, now=message.created_at + timedelta(seconds=11))
    assert (await later.send(message)).aliases == (simulator.twilio.records[0].sid,)
    assert len(simulator.twilio.records) == 1


async def test_a_lost_message_is_sent_again(
    connect: Connect, simulator: Simulator, line: tuple[Line, str]
) -> None:
    between, url = line
    connector, message = connect(api_base_url=url), outgoing()
    between.lose = "message"
    with pytest.raises(Uncertain):
        await connector.send(message)
    assert simulator.twilio.records == []
    assert (await connector.send(message)).aliases == (simulator.twilio.records[0].sid,)
    assert len(simulator.twilio.records) == 1


async def test_the_same_words_in_another_message_are_not_taken_for_it(
    connect: Connect, simulator: Simulator, line: tuple[Line, str]
) -> None:
    between, url = line
    connector = connect(api_base_url=url)
    await connector.send(outgoing("ok", id="01kmessage000000000000000A"))
    await connector.send(outgoing("not ok", id="01kmessage000000000000000B"))
    between.lose = "message"
    lost = outgoing("ok", id="01kmessage000000000000000C")
    with pytest.raises(Uncertain):
        await connector.send(lost)
    await connector.send(lost)
    assert [one.body for one in simulator.twilio.records] == ["ok", "not ok", "ok"]


@pytest.mark.parametrize(
    ("body", "status", "seconds", "taken"),
    [
        ("ok", "sent", 1, True),
        ("ok", "queued", 1, True),
        ("ok ", "delivered", 1, True),
        ("Sent from your Twilio trial account - ok", "sent", 1, True),
        ("not ok", "sent", 1, False),
        ("ok", "undelivered", 1, False),
        ("ok", "failed", 1, False),
        ("ok", "sent", -1, False),
    ],
)
async def test_what_counts_as_the_same_message(
    connect: Connect, simulator: Simulator, body: str, status: str, seconds: int, taken: bool
) -> None:
    message = outgoing("ok")
    record = simulator.twilio.record("outbound-api", NUMBER, EMMA, body, status, files=False)
    record.created = message.created_at + timedelta(seconds=seconds)
    result = await connect(now=message.created_at + timedelta(minutes=1)).send(message)
    assert (result.aliases == (record.sid,)) == taken
    assert len(simulator.twilio.records) == (1 if taken else 2)


async def test_what_failed_at_twilio_goes_out_anew(connect: Connect, simulator: Simulator) -> None:
    number = "+12025550003"
    message = outgoing(to=number)
    await connect().send(message)
    await simulator.settled()
    later = connect(now=message.created_at + timedelta(minutes=1))
    await later.send(message)
    assert len(simulator.twilio.records) == 2


async def test_without_having_looked_nothing_is_sent_again(
    connect: Connect, simulator: Simulator, line: tuple[Line, str]
) -> None:
    between, url = line
    between.down_for_reading = True
    message = outgoing()
    with pytest.raises(TryLater):
        await connect(api_base_url=url, now=message.created_at + timedelta(minutes=1)).send(message)
    assert simulator.twilio.records == []


# — files —


def test_only_twilios_addresses_are_asked() -> None:
    settings = Settings.model_validate({**Sample.settings})
    api = Api(settings, cast("aiohttp.ClientSession", SimpleNamespace()))
    ours = f"https://api.twilio.com/2010-04-01/Accounts/{settings.account_sid}/Messages/MM1/Media/ME1"
    asked = {
        ours: (True, True),
        ours.replace(settings.account_sid, "AC" + "f" * 32): (True, False),
        "https://api.twilio.com/2010-04-01/Accounts.json": (True, False),
        ours.replace("/Messages/", "/../AC1/Messages/"): (True, False),
        ours.replace("api.", "api.dublin.ie1."): (True, False),
        "https://media.twiliocdn.com/AC1/2": (True, False),
        "https://s3-external-1.amazonaws.com/media.twiliocdn.com/AC1/2": (True, False),
        "https://s3-external-1.amazonaws.com/another-bucket/2": (False, False),
        "https://s3-external-1.amazonaws.com/media.twiliocdn.com/../x": (False, False),
        ours.replace("https", "http"): (False, False),
        ours.replace("api.twilio.com", "api.twilio.com:8443"): (False, False),
        ours.replace("api.twilio.com", "api.twilio.com.evil.test"): (False, False),
        ours.replace("api.twilio.com", "api.twilio.com@evil.test"): (False, False),
        ours.replace("api.twilio.com", "evil.test\\@api.twilio.com"): (False, False),
        "https://eviltwilio.com/x": (False, False),
        "https://127.0.0.1/x": (False, False),
        "https://[::1/x": (False, False),
        "https://api.twilio.com:99999/x": (False, False),
        "": (False, False),
    }
    seen = {url: (media.is_allowed(url, settings), _safe_ours(url, api, settings)) for url in asked}
    assert {url: both for url, both in seen.items() if both != asked[url]} == {}


def _safe_ours(url: str, api: Api, settings: Settings) -> bool:
    """Asked only of what is allowed, as the connector does."""
    return media.is_allowed(url, settings) and media.is_ours(url, api, settings)


async def lent(simulator: Simulator, content: bytes = b"\xff\xd8\xff picture") -> LentMedia:
    record = simulator.twilio.receive(EMMA, NUMBER, "", [("image/jpeg", content)])
    path = f"/2010-04-01/Accounts/{simulator.twilio.account_sid}/Messages/{record.sid}/Media/{record.files[0].sid}"
    return LentMedia(ref={"url": simulator.url + path}, filename="file-1.jpg", content_type="image/jpeg")


async def test_a_file_is_fetched_by_way_of_the_store(connect: Connect, simulator: Simulator) -> None:
    """The store refuses whoever sends the account's credentials along."""
    fetched = await connect().fetch(await lent(simulator))
    assert fetched.content == b"\xff\xd8\xff picture"
    assert (fetched.content_type, fetched.filename) == ("image/jpeg", "file-1.jpg")


async def test_a_file_that_is_too_large_is_refused(connect: Connect, simulator: Simulator) -> None:
    large = await lent(simulator, b"x" * 30_000)
    with pytest.raises(Refused, match="larger than"):
        await connect(media_max_mb=0.02).fetch(large)


async def test_a_file_that_is_gone_is_refused(connect: Connect, simulator: Simulator) -> None:
    gone = await lent(simulator)
    simulator.twilio.records.clear()
    with pytest.raises(Refused, match="no longer"):
        await connect().fetch(gone)


async def test_a_file_waits_for_the_right_credentials(connect: Connect, simulator: Simulator) -> None:
    with pytest.raises(TryLater):
        await connect(auth_token="a wrong token").fetch(await lent(simulator))


@pytest.mark.parametrize("location", ["http://169.254.169.254/x", "https://evil.test/x", "//evil.test/x", ""])
async def test_a_redirect_leads_nowhere_else(http: aiohttp.ClientSession, location: str) -> None:
    async with answering(302, b"", {"Location": location} if location else {}) as url:
        with pytest.raises(Refused):
            await connected(http, api_base_url=url).fetch(LentMedia(ref={"url": f"{url}/x"}))


# — the admin's test —


def failed(findings: Any) -> list[Finding]:
    return [one for one in findings if not one.ok]


async def test_all_is_well(connect: Connect, simulator: Simulator) -> None:
    await simulator.attach({"Demo SMS": f"{DOOR}#rc=2&rp=all"})
    service = simulator.twilio.service_sid
    for changed in ({}, {"messaging_service_sid": service}):
        findings = await connect(**changed).check()
        assert failed(findings) == []
        assert len(findings) >= 4


async def test_each_fault_has_its_remedy(connect: Connect, simulator: Simulator) -> None:
    simulator.twilio.numbers[NUMBER].mms = False
    (no_mms, no_webhook) = failed(await connect().check())
    assert "MMS" in no_mms.remedy
    assert DOOR in no_webhook.remedy
    assert no_webhook.detail == "it is not set"
    await simulator.attach({"Demo SMS": DOOR})
    simulator.twilio.numbers[NUMBER].sms_method = "GET"
    (by_get,) = failed(await connect(mms=False).check())
    assert by_get.remedy == "Set it to HTTP POST."
    (stranger,) = failed(await connect(from_numbers=["+12025550199"]).check())
    assert stranger.detail == "it is not in this account"
    (wrong,) = failed(await connect(auth_token="a wrong token").check())
    assert "Authenticate" in wrong.detail
    faults = failed(await connect(mms=False, messaging_service_sid="MG" + "0" * 32).check())
    assert [one.detail for one in faults] == ["it is not in this account"]


@pytest.mark.parametrize(
    ("door", "ok"),
    [
        ("https://hub.example.com/in/sms/k", True),
        ("http://hub.example.com/in/sms/k", False),
        ("https://127.0.0.1:8080/in/sms/k", False),
        ("https://localhost/in/sms/k", False),
        ("https://10.0.0.7/in/sms/k", False),
        ("https://desk.local/in/sms/k", False),
    ],
)
def test_twilio_must_reach_the_hub_by_https(door: str, ok: bool) -> None:
    finding = checking.address(door, Settings.model_validate({**Sample.settings}))
    assert finding.ok == ok
    assert bool(finding.remedy) != ok


async def test_a_callback_that_twilio_cannot_reach_is_left_out() -> None:
    """Twilio would refuse the whole message for it."""
    seen = []
    for public_url in ("http://127.0.0.1:8080", "https://hub.example.com"):
        connector = connected(public_url=public_url)
        seen.append(connector._callback("01k"))
    assert seen == ["", "https://hub.example.com/in/sms/a-key/status?m=01k"]


# — Twilio's own client beside ours —

# It still uses what aiohttp is giving up.
own_client = pytest.mark.filterwarnings(
    "ignore:BasicAuth is deprecated:DeprecationWarning", "ignore:The 'auth' parameter:DeprecationWarning"
)


@asynccontextmanager
async def twilio_client(simulator: Simulator) -> AsyncIterator[Client]:
    async with AsyncTwilioHttpClient() as transport:
        client = Client(simulator.twilio.account_sid, simulator.twilio.auth_token, http_client=transport)
        client.api.base_url = simulator.url
        client.messaging.base_url = simulator.url
        yield client


@own_client
async def test_twilios_client_works_with_the_simulator(simulator: Simulator) -> None:
    async with twilio_client(simulator) as client:
        sent = await client.messages.create_async(to=EMMA, from_=NUMBER, body="hello €")
        assert (sent.status, sent.direction, sent.num_segments) == ("queued", "outbound-api", "1")
        assert sent.date_created is not None
        await simulator.settled()
        fetched = await client.messages(sent.sid).fetch_async()
        assert (fetched.status, fetched.error_code, fetched.body) == ("delivered", None, "hello €")
        received = simulator.twilio.receive(EMMA, NUMBER, "a picture", [("image/png", b"png")])
        (file,) = await client.messages(received.sid).media.list_async()
        assert (file.content_type, file.parent_sid) == ("image/png", received.sid)
        (number,) = await client.incoming_phone_numbers.list_async(phone_number=NUMBER)
        await client.incoming_phone_numbers(number.sid).update_async(sms_url="http://127.0.0.1:9/in")
        assert simulator.twilio.numbers[NUMBER].sms_url == "http://127.0.0.1:9/in"
        account = await client.api.accounts(simulator.twilio.account_sid).fetch_async()
        assert account.status == "active"
        service = await client.messaging.v1.services(simulator.twilio.service_sid).fetch_async()
        assert service.use_inbound_webhook_on_number is True


@own_client
async def test_twilios_client_pages_through_the_simulators_list(simulator: Simulator) -> None:
    for number in range(7):
        simulator.twilio.receive(EMMA, NUMBER, f"message {number}", [])
    yesterday = datetime.now(UTC) - timedelta(days=1)
    async with twilio_client(simulator) as client:
        everything = await client.messages.list_async(to=NUMBER, page_size=3, date_sent_after=yesterday)
        assert [one.body for one in everything] == [f"message {n}" for n in reversed(range(7))]
        assert await client.messages.list_async(to=NUMBER, date_sent_before=yesterday) == []
        assert await client.messages.list_async(to="+12025550199") == []


@own_client
@pytest.mark.parametrize(
    ("form", "status", "code"),
    [
        ({"to": EMMA, "from_": NUMBER, "body": "x" * 1601}, 400, 21617),
        ({"to": "+1202", "from_": NUMBER, "body": "x"}, 400, 21211),
        ({"to": EMMA, "from_": "+12025550199", "body": "x"}, 400, 21606),
        ({"to": EMMA, "from_": NUMBER}, 400, 21602),
        ({"to": EMMA, "body": "x"}, 400, 21603),
        ({"to": "+12025550118", "from_": NUMBER, "body": "x"}, 400, 21610),
    ],
)
async def test_twilios_client_understands_the_simulators_refusals(
    simulator: Simulator, form: dict[str, Any], status: int, code: int
) -> None:
    simulator.twilio.opted_out.add(("+12025550118", NUMBER))
    async with twilio_client(simulator) as client:
        with pytest.raises(TwilioRestException) as refused:
            await client.messages.create_async(**form)
    assert (refused.value.status, refused.value.code) == (status, code)


@own_client
async def test_our_calls_are_those_of_twilios_client(simulator: Simulator, http: aiohttp.ClientSession) -> None:
    """The same method, path, credentials and form; only one of them names a program."""
    seen: list[tuple[str, str, str | None, list[tuple[str, Any]]]] = []

    async def record(request: web.Request) -> web.Response:
        form = sorted((await request.post()).items()) or sorted(request.query.items())
        seen.append((request.method, request.path, request.headers.get("Authorization"), form))
        if request.method == "POST":
            return web.json_response({"sid": "SM1"}, status=201)
        return web.json_response({"messages": []})

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", record)
    async with TestServer(app) as server, twilio_client(simulator) as client:
        client.api.base_url = base = str(server.make_url("")).rstrip("/")
        settings = {**simulator.settings(), "api_base_url": base}
        connector = connected(http, now=datetime.now(UTC), public_url="http://127.0.0.1:9", **settings)
        message = outgoing(" a+b & 🙂 ", attachments=(picture(), picture("http://127.0.0.1:9/2?x=1&y=2")))
        await connector.send(message)
        await client.messages.create_async(
            to=EMMA, from_=NUMBER, body=" a+b & 🙂 ", media_url=[one.url for one in message.attachments],
            status_callback=f"{DOOR}/status?m={message.id}",
        )  # fmt: skip
        since = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
        async for _ in Api(connector.settings, http).messages({"To": NUMBER, "DateSent>": "2026-11-20T09:30:00Z"}):
            pass
        await client.messages.list_async(to=NUMBER, date_sent_after=since, page_size=200)
    ours, theirs, our_list, their_list = seen
    assert ours == theirs
    assert our_list == their_list
