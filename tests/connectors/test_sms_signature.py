"""Both ways against Twilio's own library, and at a real HTTP door behind a proxy."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlencode

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from hypothesis import given
from hypothesis import strategies as st
from multidict import MultiDict
from sms_fixtures import NOW, TOKEN, connected
from twilio.request_validator import RequestValidator

from omnihub.connectors.simulation import Spoken
from omnihub.connectors.sms.signature import SIGNATURE, Key, addresses, is_genuine, sign
from omnihub.connectors.sms.simulator import Simulator
from omnihub.model.errors import Unverified
from omnihub.model.raw import RawRequest

SID = "SM00000000000000000000000000000a01"
DOOR = "http://hub.example.test/in/sms/a-key"


def test_the_published_vector() -> None:
    url = "https://mycompany.com/myapp.php?foo=1&bar=2"
    pairs = [
        ("CallSid", "CA1234567890ABCDE"), ("Caller", "+14158675310"), ("From", "+14158675310"),
        ("Digits", "1234"), ("To", "+18005551212"),
    ]  # fmt: skip
    assert dict(sign(Key(secret="12345"), url, pairs)) == {SIGNATURE: "GvWf1cFY/Q7PnoempGyD5oXAezc="}
    headers = {SIGNATURE: "GvWf1cFY/Q7PnoempGyD5oXAezc="}
    assert is_genuine([Key(secret="12345")], [url], MultiDict(pairs), headers)
    assert not is_genuine([Key(secret="12346")], [url], MultiDict(pairs), headers)
    assert not is_genuine([Key(secret="12345")], [url[:-1] + "3"], MultiDict(pairs), headers)


VALUES = st.text(max_size=20) | st.sampled_from(
    ["", " ", "a+b", "100%", "🙂", " x ", "中文", "a&b=c", "\r\n", "+1"]
)
PAIRS = st.lists(st.tuples(st.text(min_size=1, max_size=6), VALUES), max_size=10)


@given(pairs=PAIRS)
def test_the_library_accepts_what_we_sign(pairs: list[tuple[str, str]]) -> None:
    signature = dict(sign(Key(secret=TOKEN), DOOR, pairs))[SIGNATURE]
    assert RequestValidator(TOKEN).validate(DOOR, MultiDict(pairs), signature)


@given(pairs=PAIRS)
def test_we_accept_what_the_library_signs_and_nothing_that_was_changed(pairs: list[tuple[str, str]]) -> None:
    pairs = [("MessageSid", SID), *pairs]
    form = MultiDict(pairs)
    by_shared_key = connected(signature="shared_key", shared_key_secret=TOKEN)
    for algorithm, connector in (("HMAC_SHA1", connected()), ("HMAC_SHA256", by_shared_key)):
        signature = RequestValidator(TOKEN).compute_signature(DOOR, form, algorithm)
        request = _posted(pairs, signature, algorithm)
        connector.verify(request)
        for changed in (
            _posted([*pairs, ("Body", "more")], signature, algorithm),
            _posted(pairs, signature[::-1], algorithm),
            _posted(pairs, signature, algorithm, token="a guess"),
        ):
            if changed != request and not _says_the_same(changed, request):
                with pytest.raises(Unverified):
                    connector.verify(changed)


def _posted(pairs: list[tuple[str, str]], signature: str, algorithm: str, token: str = TOKEN) -> RawRequest:
    if token != TOKEN:
        signature = RequestValidator(token).compute_signature(DOOR, MultiDict(pairs), algorithm)
    headers = {"content-type": "application/x-www-form-urlencoded", SIGNATURE: signature}
    if algorithm != "HMAC_SHA1":
        headers["x-twilio-webhooks-signature-settings"] = f"key=k1,algorithm={algorithm}"
    return RawRequest(source="webhook", body=urlencode(pairs).encode(), received_at=NOW, headers=headers)


def _says_the_same(one: RawRequest, other: RawRequest) -> bool:
    """Twilio's algorithm does not see a field that comes twice with the same value, nor a palindrome turned."""
    seen = [
        (sorted(set(_pairs(request))), request.headers[SIGNATURE]) for request in (one, other)
    ]  # fmt: skip
    return seen[0] == seen[1]


def _pairs(request: RawRequest) -> list[tuple[str, ...]]:
    return [tuple(pair.split("=")) for pair in request.body.decode().split("&")]


@pytest.mark.parametrize(
    ("public_url", "called"),
    [
        ("https://hub.example.test", "https://hub.example.test/in/sms/a-key"),
        ("https://hub.example.test", "https://hub.example.test:443/in/sms/a-key"),
        ("https://hub.example.test:443", "https://hub.example.test/in/sms/a-key"),
        ("https://hub.example.test:8443", "https://hub.example.test:8443/in/sms/a-key"),
        ("https://hub.example.test:8443", "https://hub.example.test/in/sms/a-key"),
        ("http://hub.example.test", "http://hub.example.test:80/in/sms/a-key"),
        ("https://hub.example.test/desk", "https://hub.example.test/desk/in/sms/a-key"),
        ("https://hub.example.test", "https://hub.example.test/in/sms/a-key/"),
    ],
)
def test_the_port_may_be_named_or_not(public_url: str, called: str) -> None:
    pairs = [("MessageSid", SID), ("Body", "hello")]
    signature = RequestValidator(TOKEN).compute_signature(called, dict(pairs))
    connected(public_url=public_url).verify(_posted(pairs, signature, "HMAC_SHA1"))


def test_http_is_not_https() -> None:
    pairs = [("MessageSid", SID)]
    signature = RequestValidator(TOKEN).compute_signature(DOOR, dict(pairs))
    with pytest.raises(Unverified):
        connected(public_url="https://hub.example.test").verify(_posted(pairs, signature, "HMAC_SHA1"))


def test_an_address_that_differs_can_be_set() -> None:
    pairs = [("MessageSid", SID)]
    told = "https://edge.example.test/hooks/twilio"
    signature = RequestValidator(TOKEN).compute_signature(told, dict(pairs))
    connected(webhook_url=f"{told}/").verify(_posted(pairs, signature, "HMAC_SHA1"))
    with pytest.raises(Unverified):
        connected().verify(_posted(pairs, signature, "HMAC_SHA1"))


def test_the_address_of_a_query_keeps_its_order() -> None:
    written = addresses("https://h/in/sms/k", "status", {"m": "01k", "a": "x y@z"})
    assert written[0] == "https://h/in/sms/k/status?m=01k&a=x+y%40z"
    assert "https://h/in/sms/k/status?m=01k&a=x%20y@z" in written


# — on the wire: what the simulator posts, seen by the library and by the door —


@asynccontextmanager
async def _receiver(calls: list[tuple[str, MultiDict[str], str]]) -> AsyncIterator[str]:
    """An application as Twilio's own documentation builds it: the address, the form, the header."""

    async def take(request: web.Request) -> web.Response:
        form = await request.post()
        fields = MultiDict((name, str(value)) for name, value in form.items())
        calls.append((str(request.url), fields, request.headers.get("X-Twilio-Signature", "")))
        return web.Response(text="<Response/>", content_type="text/xml")

    app = web.Application()
    app.router.add_post("/{path:.*}", take)
    async with TestServer(app) as server:
        yield str(server.make_url("/hook"))


@pytest.mark.parametrize("text", ["hello", " blanks and + & % ", "🙂 中文 €", "line\r\nbreak", ""])
async def test_the_library_accepts_what_the_simulator_posts(text: str, tmp_path: Path) -> None:
    calls: list[tuple[str, MultiDict[str], str]] = []
    simulator = Simulator(tmp_path)
    await simulator.start()
    try:
        async with _receiver(calls) as hook:
            await simulator.attach({"Demo SMS": hook})
            picture = b"\xff\xd8\xff picture" if not text else b""
            spoken = Spoken(kind="image" if picture else "text", text=text, content=picture)
            await simulator.chats.speak(simulator.chats.people[2], spoken)
    finally:
        await simulator.stop()
    ((url, fields, signature),) = calls
    assert RequestValidator(simulator.twilio.auth_token).validate(url, fields, signature)
    assert fields["Body"] == text
    assert fields["NumMedia"] == ("0" if text else "1")


async def test_a_proxy_in_between_changes_nothing() -> None:
    """The hub is reached as http on another host and port; only the public address counts."""
    pairs = [("MessageSid", SID), ("Body", " a+b 🙂 "), ("FromCity", "")]
    called = "https://public.example.test/in/sms/a-key"
    signature = RequestValidator(TOKEN).compute_signature(called, dict(pairs))
    connector, heard = connected(public_url="https://public.example.test"), []

    async def door(request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        raw = RawRequest(source="webhook", body=await request.read(), received_at=NOW, headers=headers)
        connector.verify(raw)
        heard.append(raw)
        return web.Response()

    app = web.Application()
    app.router.add_post("/in/sms/a-key", door)
    async with TestServer(app) as server, aiohttp.ClientSession() as http:
        headers = {"X-Twilio-Signature": signature, "X-Forwarded-Proto": "https", "X-Forwarded-Host": "evil.test"}
        async with http.post(server.make_url("/in/sms/a-key"), data=dict(pairs), headers=headers) as answer:
            assert answer.status == 200
    assert len(heard) == 1


def test_fixtures_are_in_no_one_elses_name() -> None:
    folder = Path(__file__).parents[2] / "omnihub/connectors/sms/fixtures"
    numbers = {
        value
        for path in folder.glob("*.json")
        for name, value in json.loads(path.read_text("utf-8"))["request"].get("form", [])
        if name in ("From", "To")
    }
    real = [n for n in numbers if n.startswith("+1") and "55501" not in n]
    assert real == []
