import re
from typing import Self
from urllib.parse import urlsplit

from pydantic import SecretStr, field_validator, model_validator

from omnihub.connectors.contract import ChannelSettings
from omnihub.connectors.fields import shown
from omnihub.connectors.freeswitch.course import House
from omnihub.connectors.freeswitch.line import Server
from omnihub.connectors.telephony.lines import NOTICE_LIMIT, VERSION_LIMIT, Line, Lines

_ONE_LINE = r"^[^\r\n\x00]*$"


class Settings(ChannelSettings):
    host: str = shown("FreeSWITCH address", "FreeSWITCH 地址", "connection", pattern=r"^[^\s]{1,253}$")
    port: int = shown("Event socket port", "事件套接字端口", "connection", default=8021, ge=1, le=65535)
    user: str = shown(
        "User",
        "用户",
        "connection",
        default="",
        pattern=r"^[^\r\n\x00:\s]*$",
        help_en="user@domain of the directory. Empty: the event socket's own password.",
        help_zh="目录中的 user@domain。留空则使用事件套接字自身的密码。",
        advanced=True,
    )
    password: SecretStr = shown("Password", "密码", "connection")

    region: str = shown(
        "Country of phone numbers",
        "电话号码所属国家",
        "numbers",
        default="CN",
        pattern=r"^[A-Z]{2}$",
        help_en="Two letters; for numbers without +",
        help_zh="两个字母；用于没有 + 的号码",
    )
    lines: tuple[Line, ...] = shown(
        "Lines that differ",
        "单独设置的线路",
        "numbers",
        "By the number that was dialled: another country, no recordings, another notice",
        "按被叫号码区分：其他国家/地区、不录音、不同的告知内容",
        default=(),
        max_length=200,
        advanced=True,
    )
    extensions: str = shown(
        "Extensions",
        "分机号码",
        "numbers",
        default=r"[*#]?\d{2,5}",
        help_en="A pattern of your own numbers, as a regular expression. Calls between them are not kept.",
        help_zh="内部号码的正则表达式。内部号码之间的通话不保存。",
    )
    outside_contexts: list[str] = shown(
        "Contexts of calls from outside",
        "外线呼入的上下文",
        "numbers",
        default=["public"],
        help_en="Whoever rings from one of these dial plan contexts is a customer, even with a short number.",
        help_zh="来自这些拨号方案上下文的来电一律视为客户，即使号码很短。",
        advanced=True,
    )

    phone_address: str = shown(
        "How an agent's phone is rung",
        "呼叫客服分机的方式",
        "calling",
        default="user/{extension}",
        pattern=r"^[A-Za-z0-9_.+@:/${}\-]*\{extension\}[A-Za-z0-9_.+@:/${}\-]*$",
        help_en="A dial string; {extension} is filled in.",
        help_zh="拨号串，{extension} 会自动替换。",
    )
    dial_context: str = shown(
        "Dial plan context of outgoing calls",
        "外呼的拨号方案上下文",
        "calling",
        default="default",
        pattern=r"^[A-Za-z0-9_.\-]{1,80}$",
    )
    dial_prefix: str = shown(
        "Prefix of outgoing calls",
        "外呼前缀",
        "calling",
        default="",
        pattern=r"^[0-9*#]{0,8}$",
        help_en="What the dial plan wants before an outside number, such as 9.",
        help_zh="拨打外线前需要的号码，例如 9。",
    )
    caller_id: str = shown(
        "Number that customers see",
        "客户看到的号码",
        "calling",
        default="",
        pattern=r"^(\+?[0-9]{2,20})?$",
        help_en="Empty: the dial plan decides.",
        help_zh="留空则由拨号方案决定。",
    )
    ring_seconds: int = shown(
        "How long the agent's phone rings (seconds)", "客服分机振铃时间（秒）", "calling", default=30, ge=5, le=120
    )

    recordings_path: str = shown(
        "Folder of the recordings on the FreeSWITCH machine",
        "FreeSWITCH 上的录音目录",
        "recordings",
        default="/var/lib/freeswitch/recordings",
        pattern=_ONE_LINE,
    )
    recordings_url: str = shown(
        "Web address of that folder",
        "该目录的网址",
        "recordings",
        default="",
        pattern=_ONE_LINE,
        help_en="Where a web server serves the recordings. Empty: only their names are kept.",
        help_zh="提供录音下载的网址。留空则只保存文件名。",
    )
    recordings_user: str = shown(
        "User name there", "该网址的用户名", "recordings", default="", pattern=_ONE_LINE, advanced=True
    )
    recordings_password: SecretStr = shown(
        "Password there", "该网址的密码", "recordings", default=SecretStr(""), advanced=True
    )
    recording_max_mb: int = shown(
        "Largest recording, in MB",
        "录音文件大小上限（MB）",
        "recordings",
        default=100,
        ge=1,
        le=1000,
        advanced=True,
    )
    consent_notice: str = shown(
        "Recording notice",
        "录音告知内容",
        "recordings",
        "What callers are told before they are recorded; kept with every recorded call",
        "录音前向来电者播报的内容；随每通录音电话保存",
        default="",
        max_length=NOTICE_LIMIT,
        widget="textarea",
    )
    consent_version: str = shown(
        "Version of the notice", "告知内容版本", "recordings", default="", max_length=VERSION_LIMIT
    )

    @field_validator("password")
    @classmethod
    def _on_one_line(cls, value: SecretStr) -> SecretStr:
        if not value.get_secret_value() or not re.fullmatch(_ONE_LINE, value.get_secret_value()):
            raise ValueError("a password on one line is needed")
        return value

    @field_validator("extensions")
    @classmethod
    def _a_pattern(cls, value: str) -> str:
        try:
            re.compile(value)
        except re.error as error:
            raise ValueError(f"this is no regular expression: {error}") from error
        return value

    @field_validator("recordings_url")
    @classmethod
    def _a_web_address(cls, value: str) -> str:
        url = urlsplit(value.strip())
        if value.strip() and (url.scheme not in ("http", "https") or not url.netloc or url.query or url.fragment):
            raise ValueError("write it as https://pbx.example.com/recordings")
        return value.strip().rstrip("/")

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.recordings_url and not self.recordings_path.startswith("/"):
            raise ValueError("name the folder of the recordings from the root, as /var/lib/freeswitch/recordings")
        return self

    @property
    def server(self) -> Server:
        return Server(host=self.host, port=self.port, password=self.password.get_secret_value(), user=self.user)

    @property
    def lines_told(self) -> Lines:
        return Lines(region=self.region, notice=self.consent_notice, version=self.consent_version, own=self.lines)

    @property
    def house(self) -> House:
        return House(extensions=re.compile(self.extensions), outside_contexts=frozenset(self.outside_contexts))
