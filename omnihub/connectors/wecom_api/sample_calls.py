"""Callback calls as WeCom makes them, for the samples of both channels."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from omnihub.connectors.reading import Fields
from omnihub.connectors.sealed import signature
from omnihub.connectors.wecom_api.platform import AES_KEY, CALLBACK_TOKEN, CORP_ID, SECRET, sealed_call, xml_of
from omnihub.model.raw import RawRequest

USERID = "ZhangWei"
AGENT_ID = 1000002
SENDER = f"wecom:{CORP_ID}:{USERID}"
_SECOND = 1_795_167_000
_RANDOM = b"sixteen bytes 16"
_OTHER_KEY = "AnotherKeyOfTheDemoAnotherKeyOfTheDemo01234"
SETTINGS: Mapping[str, Any] = {
    "corp_id": CORP_ID, "secret": SECRET, "token": CALLBACK_TOKEN, "encoding_aes_key": AES_KEY,
    "previous_encoding_aes_key": "PreviousDemoKeyPreviousDemoKeyPreviousDemo0",
}  # fmt: skip


def text_message(number: int, kind: str = "text") -> Fields:
    return {
        "ToUserName": CORP_ID, "FromUserName": USERID, "CreateTime": _SECOND + number, "MsgType": kind,
        "Content": words(number), "MsgId": 7_100_000_000_000_000 + number, "AgentID": AGENT_ID,
    }  # fmt: skip


def words(number: int) -> str:
    return f"This is question number {number}"


def call(plain: bytes, at: datetime, **changed: str) -> RawRequest:
    """`changed`: token, key or owner of somebody else."""
    query, sealed = sealed_call(plain, str(_SECOND), nonce="1372623149", random=_RANDOM, **changed)
    return posted(sealed, query, at)


def posted(sealed: str, query: Mapping[str, str], at: datetime) -> RawRequest:
    body = xml_of({"ToUserName": CORP_ID, "AgentID": str(AGENT_ID), "Encrypt": sealed})
    return RawRequest(
        source="webhook", body=body, received_at=at, query=dict(query), headers={"content-type": "text/xml"}
    )


def signed(sealed: str, at: datetime) -> RawRequest:
    """Signed as it should be, whatever stands in it."""
    stamp, nonce = str(_SECOND), "1372623149"
    query = {
        "msg_signature": signature(CALLBACK_TOKEN, stamp, nonce, sealed), "timestamp": stamp, "nonce": nonce,
    }  # fmt: skip
    return posted(sealed, query, at)


def forged_calls(at: datetime) -> Sequence[RawRequest]:
    plain = xml_of(text_message(1))
    good = call(plain, at)
    unsigned = {name: value for name, value in good.query.items() if name != "msg_signature"}
    sealed = sealed_call(plain, str(_SECOND), nonce="1372623149", random=_RANDOM)[1]
    return [
        call(plain, at, token="a-guessed-token"),
        call(plain, at, key=_OTHER_KEY, token="a-guessed-token"),
        call(plain, at, owner="wwsomebodyelse0001"),
        posted(sealed, {**good.query, "msg_signature": "0" * 40}, at),
        posted(sealed, {**good.query, "timestamp": "1"}, at),
        posted(sealed, unsigned, at),
        posted(sealed, {}, at),
    ]


def unreadable_calls(at: datetime) -> Sequence[RawRequest]:
    sealed = sealed_call(xml_of(text_message(1)), str(_SECOND), nonce="1372623149", random=_RANDOM)[1]
    bomb = b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">]><xml><MsgType>&a;</MsgType></xml>'
    return [
        signed("no base64 at all!", at),
        signed(sealed[:-24], at),
        call(xml_of(text_message(1)), at, key=_OTHER_KEY),
        call(b"no XML", at),
        call(bomb, at),
        call(b"<xml>" * 400, at),
        call(b"\xff\xfe\x00", at),
    ]
