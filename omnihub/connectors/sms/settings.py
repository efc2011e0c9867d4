import ipaddress
import re
from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import SecretStr, field_validator, model_validator

from omnihub.connectors.contract import ChannelSettings
from omnihub.connectors.fields import shown
from omnihub.connectors.numbers import e164
from omnihub.connectors.sms.numbers import is_short_code

# YES and CONTINUE opt in as well, but they are also what people answer to a question.
STOP_WORDS = ("STOP", "STOPALL", "UNSUBSCRIBE", "END", "QUIT", "CANCEL", "REVOKE", "OPTOUT")
START_WORDS = ("START", "UNSTOP")
HELP_WORDS = ("HELP", "INFO")
_HOST = re.compile(r"\.?[a-z0-9][a-z0-9.\-]*(/[\x21-\x7e]*)?")


class Settings(ChannelSettings):
    account_sid: str = shown(
        "Account SID", "账户 SID", "account",
        "On the first page of the Twilio console; begins with AC.", "在 Twilio 控制台首页，以 AC 开头。",
        pattern=r"^AC[0-9a-fA-F]{32}$",
    )  # fmt: skip
    auth_token: SecretStr = shown(
        "Auth token", "Auth Token（认证令牌）", "account",
        "Next to the account SID. It signs Twilio's calls, too.",
        "在账户 SID 旁边，也用于校验 Twilio 回调的签名。",
        min_length=8,
    )  # fmt: skip
    previous_auth_token: SecretStr = shown(
        "Previous auth token", "旧 Auth Token", "account",
        "While the token is being changed, calls signed with the old one are accepted, too. Empty it afterwards.",
        "更换令牌期间，也接受用旧令牌签名的回调。更换完成后请清空。",
        default=SecretStr(""), advanced=True,
    )  # fmt: skip
    from_numbers: list[str] = shown(
        "Numbers", "号码", "numbers",
        "The Twilio numbers that customers write to, as +12025550143, or short codes. "
        "An answer goes out from the number that was written to, a new message from the first.",
        "客户发送短信的 Twilio 号码，格式如 +12025550143，也可填短代码。"
        "回复从客户所写的号码发出，新消息从第一个号码发出。",
        default=[], max_length=50,
    )  # fmt: skip
    messaging_service_sid: str = shown(
        "Messaging Service SID", "消息服务 SID", "numbers",
        "Optional; begins with MG. Twilio then chooses the number to send from.",
        "可选，以 MG 开头。填写后由 Twilio 选择发送号码。",
        default="", pattern=r"^(MG[0-9a-fA-F]{32})?$",
    )  # fmt: skip
    phone_region: str = shown(
        "Country of numbers without +", "无 + 号码所属国家", "numbers",
        "Two letters, such as US or CN.", "两个字母，例如 US 或 CN。",
        default="US", pattern=r"^[A-Z]{2}$",
    )  # fmt: skip
    mms: bool = shown(
        "Send files as MMS", "以彩信发送文件", "numbers",
        "Needs numbers that can send MMS, chiefly in the US and Canada. Off: files are refused before sending.",
        "需要支持彩信的号码，主要是美国和加拿大号码。关闭后，发送前即拒绝文件。",
        default=True,
    )  # fmt: skip
    poll_minutes: float = shown(
        "Look for lost messages every (minutes)", "每隔多少分钟查找遗漏消息", "receiving",
        "The hub lists what Twilio received and takes in what no webhook brought. 0: never.",
        "列出 Twilio 已收到的消息，补收回调未送达的部分。0：不查找。",
        default=5, ge=0, le=1440,
    )  # fmt: skip
    webhook_url: str = shown(
        "Webhook address as Twilio knows it", "Twilio 中填写的回调地址", "receiving",
        "Only where it differs from the address below, as behind a proxy that rewrites paths. "
        "The whole address, exactly as entered at Twilio.",
        "仅当与下方地址不同时填写（例如代理会改写路径）。请填写与 Twilio 中完全一致的完整地址。",
        default="", advanced=True,
    )  # fmt: skip
    signature: Literal["auth_token", "shared_key", "either"] = shown(
        "Signature of Twilio's calls", "Twilio 回调签名方式", "receiving",
        "auth_token: HMAC-SHA1 with the auth token, Twilio's default. shared_key: HMAC-SHA256 with a SharedKey. "
        "either: while changing from one to the other.",
        "auth_token：用 Auth Token 做 HMAC-SHA1（Twilio 默认）。shared_key：用 SharedKey 做 HMAC-SHA256。"
        "either：切换期间两者都接受。",
        default="auth_token", advanced=True,
    )  # fmt: skip
    shared_key_secret: SecretStr = shown(
        "SharedKey secret", "SharedKey 密钥", "receiving", default=SecretStr(""), advanced=True
    )
    shared_key_id: str = shown(
        "SharedKey id", "SharedKey 标识", "receiving",
        "Empty: any key id, as long as the secret is right.", "留空：只校验密钥，不校验 ID。",
        default="", advanced=True, max_length=200,
    )  # fmt: skip
    stop_words: list[str] = shown(
        "Words that opt out", "退订关键词", "consent",
        "A message of nothing but one of these opts out: Twilio refuses further messages to this number. "
        "Keep the list as it is in your Twilio account.",
        "内容仅为其中一个词的短信表示退订：Twilio 将拒绝再向该号码发送。请与 Twilio 账户中的设置保持一致。",
        default=list(STOP_WORDS), advanced=True, max_length=50,
    )  # fmt: skip
    start_words: list[str] = shown(
        "Words that opt in again", "重新订阅关键词", "consent",
        default=list(START_WORDS), advanced=True, max_length=50,
    )  # fmt: skip
    help_words: list[str] = shown(
        "Words that Twilio answers with help", "由 Twilio 自动回复帮助的关键词", "consent",
        default=list(HELP_WORDS), advanced=True, max_length=50,
    )  # fmt: skip
    api_base_url: str = shown(
        "Address of Twilio's API", "Twilio API 地址", "advanced",
        "For another region, as https://api.dublin.ie1.twilio.com.", "其他区域示例：https://api.dublin.ie1.twilio.com。",
        default="https://api.twilio.com", advanced=True,
    )  # fmt: skip
    messaging_base_url: str = shown(
        "Address of Twilio's messaging API", "Twilio 消息服务 API 地址", "advanced",
        default="https://messaging.twilio.com", advanced=True,
    )  # fmt: skip
    media_hosts: list[str] = shown(
        "Hosts that files are fetched from", "允许下载文件的主机", "advanced",
        "A leading dot takes every host below; a path limits the host to it. Only by https.",
        "以点开头表示所有子域名；带路径则仅限该路径。仅限 https。",
        default=[".twilio.com", ".twiliocdn.com", "s3-external-1.amazonaws.com/media.twiliocdn.com/"],
        advanced=True, max_length=20,
    )  # fmt: skip
    media_max_mb: float = shown(
        "Largest file to fetch (MB)", "可下载的最大文件（MB）", "advanced",
        default=25, gt=0, le=100, advanced=True,
    )  # fmt: skip

    @field_validator("from_numbers")
    @classmethod
    def _telephone_numbers(cls, values: list[str]) -> list[str]:
        numbers = [_number(value.strip()) for value in values if value.strip()]
        return list(dict.fromkeys(numbers))

    @field_validator("stop_words", "start_words", "help_words")
    @classmethod
    def _capitals(cls, values: list[str]) -> list[str]:
        return list(dict.fromkeys(value.strip().upper() for value in values if value.strip()))

    @field_validator("api_base_url", "messaging_base_url")
    @classmethod
    def _origin(cls, value: str) -> str:
        url = _address(value)
        if url != f"{urlsplit(url).scheme}://{urlsplit(url).netloc}":
            raise ValueError("write it as https://api.twilio.com, without a path")
        if not url.startswith("https://") and not _is_this_machine(url):
            raise ValueError("the auth token must not travel unencrypted: the address must begin with https://")
        return url

    @field_validator("webhook_url")
    @classmethod
    def _whole_address(cls, value: str) -> str:
        return _address(value) if value.strip() else ""

    @field_validator("media_hosts")
    @classmethod
    def _hosts(cls, values: list[str]) -> list[str]:
        hosts = [value.strip().lower() for value in values if value.strip()]
        wrong = [host for host in hosts if not _HOST.fullmatch(host)]
        if wrong:
            raise ValueError(f"not the name of a host: {', '.join(wrong)}")
        return hosts

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if not self.from_numbers and not self.messaging_service_sid:
            raise ValueError("enter a number or a Messaging Service SID")
        if self.signature != "auth_token" and not self.shared_key_secret.get_secret_value():
            raise ValueError("checking signatures by SharedKey needs its secret")
        return self


def is_local(url: str) -> bool:
    """Whether nobody outside can reach this address."""
    host = urlsplit(url).hostname or ""
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return "." not in host or host.endswith((".localhost", ".local", ".internal", ".lan"))


def _is_this_machine(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _number(value: str) -> str:
    number = e164(value, "ZZ") if value.startswith("+") else ""
    if number or is_short_code(value):
        return number or value
    raise ValueError(f"write the number with + and country code, as +12025550143: {value[:40]}")


def _address(value: str) -> str:
    text = value.strip().rstrip("/")
    try:
        url = urlsplit(text)
        usable = url.scheme in ("http", "https") and bool(url.hostname) and (url.port or 1) > 0
    except ValueError:
        usable = False
    if not usable or "@" in text or "?" in text or "#" in text:
        raise ValueError("write it as https://hub.example.com/…, without user, ? or #")
    return text
