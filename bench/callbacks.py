"""Callbacks as the providers make them: signed and sealed by the simulators' own tools, from many customers.

Every text says its number as `n=<number>;`, by which a message is found again wherever it turns up.
"""

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from urllib.parse import urlencode

import orjson

from bench.wire import post
from omnihub.connectors.api import signing
from omnihub.connectors.dingtalk.door import header_signature
from omnihub.connectors.sms.signature import Key
from omnihub.connectors.sms.signature import sign as sign_sms
from omnihub.connectors.webform.proof import StartTokens
from omnihub.connectors.wechat_api.simulator_push import Pusher
from omnihub.connectors.wecom_api.platform import CORP_ID, sealed_call, xml_of
from omnihub.connectors.wecom_kf.simulator import OPEN_KFID
from omnihub.connectors.wecom_kf.simulator import Simulator as KfSimulator
from omnihub.store.vault import Vault

# A customer's words, as short and as long as they come.
_WORDS = (
    "你好，我的订单什么时候发货？",
    "Hello, where is my order? It should have come on Tuesday.",
    "热水器不加热了，显示E4，麻烦安排师傅上门看一下，地址还是原来的。",
    "The dishwasher stops after ten minutes with error E24 and leaves the water standing. We cleaned the filter.",
    "谢谢",
    "Can I still change the delivery address of the parcel? We moved last week, and the old flat is empty now.",
)
_XML = {"content-type": "text/xml"}
_JSON = {"content-type": "application/json"}
_FORM = {"content-type": "application/x-www-form-urlencoded"}


@dataclass(slots=True, frozen=True, kw_only=True)
class Target:
    """The account at the hub that a maker writes to. `sign` is the hub's own."""

    url: str
    account_id: str
    settings: Mapping[str, Any]
    sign: Callable[[str, bytes], bytes]


@dataclass(slots=True, frozen=True)
class Letter:
    """`before` is done as it leaves: what a bell rings for has to lie there."""

    number: int
    request: bytes
    before: Callable[[], None] | None = None


Maker = Callable[[Target, int, int], bytes]


def words(number: int) -> str:
    return f"n={number}; {_WORDS[number % len(_WORDS)]}"


def number_in(text: str) -> int | None:
    """Of a preview, or of any text that a message's words begin."""
    _, found, rest = text.partition("n=")
    digits = rest.partition(";")[0]
    return int(digits) if found and digits.isdigit() else None


def _wecom(target: Target, number: int, person: int) -> bytes:
    stamp = int(time.time())
    plain = xml_of({
        "ToUserName": CORP_ID, "FromUserName": f"member{person:05d}", "CreateTime": stamp, "MsgType": "text",
        "Content": words(number), "MsgId": 7_100_000_000_000_000 + number, "AgentID": target.settings["agent_id"],
    })  # fmt: skip
    return _sealed(target, plain, str(target.settings["agent_id"]))


def _sealed(target: Target, plain: bytes, agent_id: str) -> bytes:
    query, sealed = sealed_call(plain, str(int(time.time())))
    body = xml_of({"ToUserName": CORP_ID, "AgentID": agent_id, "Encrypt": sealed})
    return post(target.url, body, _XML, query)


def _wechat(target: Target, number: int, person: int) -> bytes:
    told = target.settings
    pusher = Pusher(appid=told["app_id"], token=told["token"], aes_key=told["aes_key"])
    query, body = pusher.envelope({
        "ToUserName": "gh_0f1e2d3c4b5a", "FromUserName": f"oBench{person:022d}", "CreateTime": int(time.time()),
        "MsgType": "text", "Content": words(number), "MsgId": 24_537_653_432_178_000 + number,
    })  # fmt: skip
    return post(target.url, body, _XML, query)


def _dingtalk(target: Target, number: int, person: int) -> bytes:
    told, stamp = target.settings, str(round(time.time() * 1000))
    said = {
        "conversationId": f"cidBench{person}==", "conversationType": "1", "msgId": f"msgBench{number}==",
        "senderId": f"$:LWCP_v1:$bench{person}", "senderNick": f"同事 {person}", "senderStaffId": f"staff{person}",
        "senderCorpId": told["corp_id"], "chatbotCorpId": told["corp_id"], "robotCode": told["client_id"],
        "createAt": int(stamp), "sessionWebhook": "https://oapi.dingtalk.com/robot/sendBySession?session=bench",
        "sessionWebhookExpiredTime": int(stamp) + 5_400_000, "msgtype": "text", "text": {"content": words(number)},
    }  # fmt: skip
    headers = {"timestamp": stamp, "sign": header_signature(stamp, told["client_secret"])}
    return post(target.url, orjson.dumps(said), _JSON | headers)


def _sms(target: Target, number: int, person: int) -> bytes:
    told, sid = target.settings, f"SM{number:032x}"
    pairs = [
        ("ToCountry", "US"), ("SmsMessageSid", sid), ("NumMedia", "0"), ("SmsSid", sid), ("SmsStatus", "received"),
        ("Body", words(number)), ("To", told["from_numbers"][0]), ("NumSegments", "1"), ("MessageSid", sid),
        ("AccountSid", told["account_sid"]), ("From", f"+1202555{person % 10_000:04d}"),
        ("ApiVersion", "2010-04-01"),
    ]  # fmt: skip
    signed = dict(sign_sms(Key(secret=told["auth_token"]), target.url, pairs))
    return post(target.url, urlencode(pairs).encode(), _FORM | signed)


def _telegram(target: Target, number: int, person: int) -> bytes:
    bot_id = str(target.settings["bot_token"]).partition(":")[0]
    secret = target.sign("telegram-webhook", f"{target.account_id}:{bot_id}".encode()).hex()
    who = {"id": 5_100_000_000 + person, "first_name": "Customer", "last_name": str(person)}
    message = {
        "message_id": number + 1, "from": who | {"is_bot": False}, "chat": who | {"type": "private"},
        "date": int(time.time()), "text": words(number),
    }  # fmt: skip
    body = orjson.dumps({"update_id": 100_000 + number, "message": message})
    return post(target.url, body, _JSON | {"x-telegram-bot-api-secret-token": secret})


def _webform(target: Target, number: int, person: int) -> bytes:
    shown_at = datetime.now(UTC) - timedelta(minutes=1)
    filled = {
        "_start": StartTokens(target.sign, target.account_id).issue(shown_at), "_key": f"bench-{number}",
        "name": f"Customer {person}", "email": f"customer{person}@example.test", "topic": "Repair",
        "message": words(number),
    }  # fmt: skip
    return post(target.url, urlencode(filled).encode(), _FORM | {"accept": "application/json"})


def _api(target: Target, number: int, person: int) -> bytes:
    sender = {"id": f"u-{person}", "name": f"用户 {person}"}
    body = orjson.dumps({"id": f"m-{number}", "sender": sender, "text": words(number)})
    return post(
        target.url, body, _JSON | dict(signing.sign(target.settings["signing_secret"], body, datetime.now(UTC)))
    )


MAKERS: Mapping[str, Maker] = {
    "wecom": _wecom,
    "wechat": _wechat,
    "dingtalk": _dingtalk,
    "sms": _sms,
    "telegram": _telegram,
    "webform": _webform,
    "api": _api,
}
KF = "wecom_kf"
CHANNELS: Sequence[str] = (*MAKERS, KF)
# What the account needs beyond the simulator's own settings: doors instead of connections of its own, and no
# limit that one sender on loopback would meet.
CHANGES: Mapping[str, Mapping[str, Any]] = {
    "dingtalk": {"mode": "http"},
    "telegram": {"mode": "webhook"},
    "webform": {"captcha": False, "per_ip_minute": 0, "per_form_minute": 0},
}


def _kf_letter(simulator: KfSimulator, target: Target, number: int, person: int) -> Letter:
    """At the door only a bell; the message itself waits to be pulled."""
    item = {
        **simulator.item(f"wmBenchCustomer{person:08d}", 3), "msgtype": "text", "text": {"content": words(number)},
    }  # fmt: skip
    bell = xml_of({
        "ToUserName": CORP_ID, "CreateTime": int(time.time()), "MsgType": "event", "Event": "kf_msg_or_event",
        "Token": simulator.log.ring(), "OpenKfId": OPEN_KFID,
    })  # fmt: skip
    return Letter(number, _sealed(target, bell, ""), partial(simulator.log.add, item))


def targets(
    url: str, accounts: Mapping[str, Mapping[str, Any]], settings: Mapping[str, Mapping[str, Any]], secret: str
) -> Mapping[str, Target]:
    """`accounts`: id and key of each channel's account."""
    vault = Vault(secret)
    return {
        channel: Target(
            url=f"{url}/in/{channel}/{account['key']}",
            account_id=str(account["id"]),
            settings=settings[channel],
            sign=vault.sign,
        )
        for channel, account in accounts.items()
    }


def letters(at: Mapping[str, Target], kf: KfSimulator | None, first: int, people: int) -> Iterator[Letter]:
    """Without end: one of each channel in turn, each channel's customers in turn."""
    channels, number = list(at), first
    while True:
        channel = channels[number % len(channels)]
        person = (number // len(channels)) % people
        if channel == KF:
            assert kf is not None
            yield _kf_letter(kf, at[channel], number, person)
        else:
            yield Letter(number, MAKERS[channel](at[channel], number, person))
        number += 1


def entropy() -> int:
    """A first number that no earlier run on the same database used."""
    return int.from_bytes(os.urandom(4)) << 16
