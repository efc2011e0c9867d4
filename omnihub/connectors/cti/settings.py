import ipaddress
import re
from typing import Literal, Self

from pydantic import SecretStr, field_validator, model_validator

from omnihub.connectors.contract import ChannelSettings
from omnihub.connectors.fields import shown

WITHHELD = "anonymous"
_PATTERN = re.compile(r"\+?[0-9]{1,20}\*?")
_CALLER_ID = re.compile(r"\+?[0-9]{3,20}")
_HEADER_VALUE = re.compile(r"[\x21-\x7e]*")


class Settings(ChannelSettings):
    phone_region: str = shown(
        "Country of the line", "线路所属国家", "numbers",
        "Two letters, such as DE or CN; for numbers without country code.",
        "两个字母，例如 DE 或 CN；用于不带国家代码的号码。",
        default="DE", pattern=r"^[A-Z]{2}$",
    )  # fmt: skip
    numbers: Literal["international", "national"] = shown(
        "Numbers without +", "不带 + 的号码", "numbers",
        "international: they begin with the country code, as 4930609854180. national: as dialled within the "
        "country. One that begins with 0 is always taken as dialled, one with 00 as international.",
        "international：以国家代码开头，如 4930609854180。national：按国内拨号方式。"
        "以 0 开头的号码始终按国内拨号处理，以 00 开头的按国际号码处理。",
        default="international",
    )  # fmt: skip
    extension_digits: int = shown(
        "Longest extension", "分机号最长位数", "numbers",
        "Numbers of so many digits are extensions of your own, and never customers of that number. Calls "
        "between them are not shown.",
        "不超过此位数的号码视为内部分机，不会作为客户号码。分机之间的通话不显示。",
        default=6, ge=0, le=8,
    )  # fmt: skip
    secret: SecretStr = shown(
        "Secret header", "密钥请求头", "protection",
        "The phone system sends it as X-Omnihub-Secret. Empty: the address alone is enough.",
        "电话系统以 X-Omnihub-Secret 请求头发送。留空：仅凭地址即可。",
        default=SecretStr(""),
    )  # fmt: skip
    basic_user: str = shown(
        "User", "用户名", "protection",
        "For phone systems that sign in with user and password (HTTP Basic).",
        "用于以用户名和密码登录（HTTP Basic）的电话系统。",
        default="", max_length=100, pattern=r"^[^:\x00-\x1f]*$",
    )  # fmt: skip
    basic_password: SecretStr = shown("Password", "密码", "protection", default=SecretStr(""))
    networks: list[str] = shown(
        "Addresses of the phone system", "电话系统的地址", "protection",
        "Such as 192.0.2.10 or 192.0.2.0/24, one in a line. Empty: any.",
        "例如 192.0.2.10 或 192.0.2.0/24，每行一个。留空：不限。",
        default=[], max_length=50, advanced=True,
    )  # fmt: skip
    blocked: list[str] = shown(
        "Turn away", "拒接号码", "answers",
        "Numbers with country code, as +4930123456; +4930* for all that begin so; anonymous for withheld "
        "numbers. The caller hears that the line is busy.",
        "带国家代码的号码，如 +4930123456；+4930* 表示所有以此开头的号码；anonymous 表示隐藏号码。"
        "来电者会听到忙音。",
        default=[], max_length=1000,
    )  # fmt: skip
    caller_ids: list[str] = shown(
        "Caller id by destination", "按目的地显示的主叫号码", "answers",
        "A beginning and the number to show, as +41*=+41445550100, one in a line; the longest that fits counts.",
        "号码开头和要显示的号码，如 +41*=+41445550100，每行一个；以最长匹配为准。",
        default=[], max_length=500,
    )  # fmt: skip
    default_caller_id: str = shown(
        "Caller id elsewhere", "其他情况下的主叫号码", "answers",
        "Empty: the phone system decides.", "留空：由电话系统决定。",
        default="",
    )  # fmt: skip
    ids_start_again: bool = shown(
        "Call ids start again", "通话 ID 会重新开始", "advanced",
        "For phone systems that number their calls from 1 after a restart: a call is then known by its id and "
        "its day (UTC). Calls over midnight fall in two.",
        "用于重启后从 1 开始编号的电话系统：通话以 ID 加日期（UTC）识别。跨越午夜的通话会被拆成两条。",
        default=False, advanced=True,
    )  # fmt: skip

    @field_validator("networks")
    @classmethod
    def _networks(cls, values: list[str]) -> list[str]:
        networks = [value.strip() for value in values if value.strip()]
        for network in networks:
            try:
                ipaddress.ip_network(network, strict=False)
            except ValueError:
                raise ValueError(f"not an address or network: {network[:60]}") from None
        return networks

    @field_validator("blocked")
    @classmethod
    def _patterns(cls, values: list[str]) -> list[str]:
        return list(dict.fromkeys(_pattern(value) for value in values if value.strip()))

    @field_validator("caller_ids")
    @classmethod
    def _rules(cls, values: list[str]) -> list[str]:
        return list(dict.fromkeys(_rule(value) for value in values if value.strip()))

    @field_validator("default_caller_id")
    @classmethod
    def _shown_number(cls, value: str) -> str:
        return _caller_id(value) if value.strip() else ""

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if bool(self.basic_user) != bool(self.basic_password.get_secret_value()):
            raise ValueError("enter user and password, or neither")
        if not _HEADER_VALUE.fullmatch(self.secret.get_secret_value()):
            raise ValueError("the secret must consist of letters, digits and signs that a header can hold")
        return self

    @property
    def rules(self) -> list[tuple[str, str]]:
        """Beginning and caller id, the longest beginning first."""
        pairs = [(left.rstrip("*"), right) for left, _, right in (rule.partition("=") for rule in self.caller_ids)]
        return sorted(pairs, key=lambda pair: -len(pair[0]))


def _pattern(value: str) -> str:
    text = re.sub(r"[\s()\-./]", "", value).lower()
    if text == WITHHELD:
        return text
    if not _PATTERN.fullmatch(text):
        raise ValueError(f"write it as +4930123456, +4930* or anonymous: {value[:40]}")
    return _plus(text)


def _rule(value: str) -> str:
    left, sign, right = value.partition("=")
    if not sign or _pattern(left) == WITHHELD:
        raise ValueError(f"write it as +41*=+41445550100: {value[:60]}")
    return f"{_pattern(left)}={_caller_id(right)}"


def _caller_id(value: str) -> str:
    text = re.sub(r"[\s()\-./]", "", value)
    if not _CALLER_ID.fullmatch(text):
        raise ValueError(f"write the caller id as +41445550100: {value[:40]}")
    return _plus(text)


def _plus(text: str) -> str:
    number = text if text.startswith("+") else f"+{text.removeprefix('00')}"
    if number.startswith("+0"):
        raise ValueError(f"begin with the country code, as +4930123456: {text[:40]}")
    return number
