import ipaddress
import re
from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, SecretStr, field_validator, model_validator

from omnihub.connectors.contract import ChannelSettings
from omnihub.connectors.fields import shown
from omnihub.connectors.telephony.call import Consent
from omnihub.connectors.telephony.lines import Line, Lines

# Twilio rings at most ten at once (its page on <Number>, read 2026-11).
_MOST_AT_ONCE = 10
_NUMBER = re.compile(r"\+[1-9][0-9]{6,14}")
_SIP = re.compile(r"sips?:[^\s<>\"@]{1,64}@[A-Za-z0-9.\-]{1,253}(:[0-9]{1,5})?(;[\x21-\x7e]{1,200})?")
_CLIENT = re.compile(r"client:[A-Za-z0-9_.@+\-]{1,200}")
_HOST = re.compile(r"\.?[a-z0-9][a-z0-9.\-]*")
# What XML cannot hold; a text with it would spoil the whole answer to Twilio.
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]|[\ud800-\udfff]")
_TEXT_LIMIT = 3000


class Phone(BaseModel):
    """An agent's telephone, as Twilio reaches it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    extension: str = shown(
        "Extension", "分机", "calling", "As it is entered for the user", "与用户资料中填写的一致",
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.+\-]{0,63}$",
    )  # fmt: skip
    address: str = shown(
        "Telephone", "电话", "calling",
        "+12025550199, sip:anna@pbx.example.com or client:anna",
        "如 +12025550199、sip:anna@pbx.example.com 或 client:anna",
    )  # fmt: skip

    @field_validator("address")
    @classmethod
    def _reachable(cls, value: str) -> str:
        return _agent(value)


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
    numbers: list[str] = shown(
        "Numbers", "号码", "numbers",
        "Your Twilio numbers that customers call, as +12025550143.",
        "客户拨打的 Twilio 号码，格式如 +12025550143。",
        min_length=1, max_length=50,
    )  # fmt: skip
    phone_region: str = shown(
        "Country of numbers without +", "无 + 号码所属国家", "numbers",
        "Two letters, such as US or CN.", "两个字母，例如 US 或 CN。",
        default="US", pattern=r"^[A-Z]{2}$",
    )  # fmt: skip
    agents: list[str] = shown(
        "Ring", "呼叫对象", "ringing",
        "A telephone number as +12025550199, sip:anna@pbx.example.com or client:anna; one in a line. "
        "Empty: callers go to voicemail at once.",
        "电话号码（如 +12025550199）、sip:anna@pbx.example.com 或 client:anna，每行一个。"
        "留空：来电直接进入语音信箱。",
        default=[], max_length=20,
    )  # fmt: skip
    ring: Literal["together", "sequence"] = shown(
        "Order of ringing", "振铃方式", "ringing",
        "together: all ring until the first answers (ten at most). sequence: one after the other.",
        "together：同时振铃，先接者通话（最多十个）。sequence：依次振铃。",
        default="together",
    )  # fmt: skip
    ring_seconds: int = shown(
        "Ring for (seconds)", "振铃时长（秒）", "ringing",
        "In sequence: each of them.", "依次振铃时为每一位的时长。",
        default=25, ge=5, le=600,
    )  # fmt: skip
    caller_id: str = shown(
        "Number shown to agents", "向坐席显示的号码", "ringing",
        "One of your Twilio numbers, as +12025550143. Empty: the caller's own.",
        "您的一个 Twilio 号码，如 +12025550143。留空：显示来电者号码。",
        default="", advanced=True,
    )  # fmt: skip
    phones: tuple[Phone, ...] = shown(
        "Agents' telephones", "坐席电话", "calling",
        "For calls that agents place: which telephone is an extension's. Calls name it by the extension, too.",
        "用于坐席外呼：分机对应的电话。通话记录也以分机显示。",
        default=(), max_length=200,
    )  # fmt: skip
    outgoing_number: str = shown(
        "Number that customers see", "客户看到的号码", "calling",
        "One of your Twilio numbers, or one verified there. Empty: the first of your numbers.",
        "您的一个 Twilio 号码，或在 Twilio 验证过的号码。留空：使用第一个号码。",
        default="", advanced=True,
    )  # fmt: skip
    language: str = shown(
        "Language of the voice", "语音播报语言", "announcements",
        "As Twilio names it: en-US, en-GB, zh-CN, de-DE …", "Twilio 的语言代码：en-US、en-GB、zh-CN、de-DE 等。",
        default="en-US", pattern=r"^[a-z]{2,3}(-[A-Za-z]{2,8}){0,2}$",
    )  # fmt: skip
    voice: str = shown(
        "Voice", "发音人", "announcements",
        "As Twilio names it, such as Polly.Joanna. Empty: Twilio's own choice.",
        "Twilio 的发音人名称，例如 Polly.Joanna。留空：由 Twilio 选择。",
        default="", pattern=r"^[A-Za-z0-9.\-_]{0,80}$", advanced=True,
    )  # fmt: skip
    greeting: str = shown(
        "Greeting", "问候语", "announcements",
        "Read to the caller first. An https:// address of a sound file is played instead.",
        "首先播报给来电者的内容。填写 https:// 开头的音频地址则播放该音频。",
        default="Thank you for calling. We are connecting you.", max_length=_TEXT_LIMIT, widget="textarea",
    )  # fmt: skip
    record_calls: bool = shown(
        "Record calls", "通话录音", "recording",
        "From the moment an agent answers. The notice below is read before.",
        "坐席接听后开始录音，接通前先播报下方告知。",
        default=False,
    )  # fmt: skip
    consent_notice: str = shown(
        "Notice of recording", "录音告知", "recording",
        "What the caller hears before a call is recorded. Ask a lawyer what it must say.",
        "录音前向来电者播报的内容。具体措辞请咨询律师。",
        default="", max_length=_TEXT_LIMIT, widget="textarea",
    )  # fmt: skip
    consent_version: str = shown(
        "Version of the notice", "告知版本", "recording",
        "Kept with every call, such as 2026-11. Change it with the text.",
        "随每通电话保存，例如 2026-11。修改告知内容时请更新。",
        default="", max_length=40, pattern=r"^[\x20-\x7e\u4e00-\u9fff]*$",
    )  # fmt: skip
    lines: tuple[Line, ...] = shown(
        "Numbers that differ", "单独设置的号码", "recording",
        "Those of your numbers above that are not recorded, or have a notice or a country of their own.",
        "上述号码中不录音，或有单独的录音告知、国家/地区的号码。",
        default=(), max_length=50, advanced=True,
    )  # fmt: skip
    voicemail: bool = shown("Voicemail", "语音信箱", "voicemail", default=True)
    voicemail_prompt: str = shown(
        "Words before the beep", "提示音前的播报", "voicemail",
        default="Nobody can answer right now. Please leave a message after the tone.", max_length=_TEXT_LIMIT,
        widget="textarea",
    )  # fmt: skip
    voicemail_seconds: int = shown(
        "Longest message (seconds)", "留言最长时长（秒）", "voicemail", default=180, ge=5, le=3600
    )
    closing: str = shown(
        "Words where nobody answers", "无人接听时的播报", "voicemail",
        "Read instead of the voicemail where that is off.", "关闭语音信箱时播报的内容。",
        default="Nobody can answer right now. Please call again later.", max_length=_TEXT_LIMIT, widget="textarea",
    )  # fmt: skip
    webhook_url: str = shown(
        "Webhook address as Twilio knows it", "Twilio 中填写的回调地址", "advanced",
        "Only where it differs from the address below, as behind a proxy that rewrites paths. "
        "The whole address, exactly as entered at Twilio.",
        "仅当与下方地址不同时填写（例如代理会改写路径）。请填写与 Twilio 中完全一致的完整地址。",
        default="", advanced=True,
    )  # fmt: skip
    api_base_url: str = shown(
        "Address of Twilio's API", "Twilio API 地址", "advanced",
        "For another region, as https://api.dublin.ie1.twilio.com.",
        "其他区域示例：https://api.dublin.ie1.twilio.com。",
        default="https://api.twilio.com", advanced=True,
    )  # fmt: skip
    recording_format: Literal["mp3", "wav"] = shown(
        "Format of recordings", "录音格式", "advanced", default="mp3", advanced=True
    )
    recording_hosts: list[str] = shown(
        "Hosts that recordings are fetched from", "允许下载录音的主机", "advanced",
        "A leading dot takes every host below. Only by https.", "以点开头表示所有子域名。仅限 https。",
        default=[".twilio.com", ".twiliocdn.com"], advanced=True, max_length=20,
    )  # fmt: skip
    recording_max_mb: float = shown(
        "Largest recording to fetch (MB)", "可下载的最大录音（MB）", "advanced",
        default=100, gt=0, le=500, advanced=True,
    )  # fmt: skip

    @field_validator("numbers")
    @classmethod
    def _telephone_numbers(cls, values: list[str]) -> list[str]:
        return list(dict.fromkeys(_number(value.strip()) for value in values if value.strip()))

    @field_validator("caller_id", "outgoing_number")
    @classmethod
    def _shown_number(cls, value: str) -> str:
        return _number(value.strip()) if value.strip() else ""

    @field_validator("agents")
    @classmethod
    def _reachable(cls, values: list[str]) -> list[str]:
        return list(dict.fromkeys(_agent(value) for value in values if value.strip()))

    @field_validator("phones")
    @classmethod
    def _one_each(cls, values: tuple[Phone, ...]) -> tuple[Phone, ...]:
        for named in ([one.extension for one in values], [one.address for one in values]):
            if len(set(named)) < len(named):
                raise ValueError("each extension has one telephone, and each telephone one extension")
        return values

    @field_validator("greeting", "consent_notice", "voicemail_prompt", "closing")
    @classmethod
    def _speakable(cls, value: str) -> str:
        if _CONTROL.search(value):
            raise ValueError("the text holds characters that cannot be read out")
        return value.strip()

    @field_validator("api_base_url")
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

    @field_validator("recording_hosts")
    @classmethod
    def _hosts(cls, values: list[str]) -> list[str]:
        hosts = [value.strip().lower() for value in values if value.strip()]
        wrong = [host for host in hosts if not _HOST.fullmatch(host)]
        if wrong:
            raise ValueError(f"not the name of a host: {', '.join(wrong)}")
        return hosts

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if any(self.records(one) and not self._notice_of(one) for one in self.numbers):
            raise ValueError("where calls are recorded, enter the notice that callers hear before")
        if self.ring == "together" and len(self.agents) > _MOST_AT_ONCE:
            raise ValueError("Twilio rings ten together at most; let them ring in sequence")
        return self

    def records(self, line: str) -> bool:
        """Whether calls to this number are recorded."""
        return self.record_calls and self.lines_told.records(line)

    def consent_of(self, line: str) -> Consent | None:
        """What callers to this number hear before they are recorded; None where they are not."""
        return self.lines_told.consent_of(line) if self.records(line) else None

    def _notice_of(self, line: str) -> str:
        consent = self.lines_told.consent_of(line)
        return consent.notice if consent else ""

    @property
    def lines_told(self) -> Lines:
        notice, version = self.consent_notice, self.consent_version
        return Lines(region=self.phone_region, notice=notice, version=version, own=self.lines)

    @property
    def shown_number(self) -> str:
        return self.outgoing_number or self.numbers[0]

    def address_of(self, extension: str) -> str:
        return next((one.address for one in self.phones if one.extension == extension), "")

    def named(self, address: str) -> str:
        """The extension, where this is the telephone of one."""
        return next((one.extension for one in self.phones if one.address == address), address)


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
    bare = re.sub(r"[\s()\-./]", "", value)
    if not _NUMBER.fullmatch(bare):
        raise ValueError(f"write the number with + and country code, as +12025550143: {value[:40]}")
    return bare


def _agent(value: str) -> str:
    text = value.strip()
    if not any(way.fullmatch(text) for way in (_NUMBER, _SIP, _CLIENT)):
        raise ValueError(f"write +12025550199, sip:anna@pbx.example.com or client:anna: {text[:60]}")
    return text


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
