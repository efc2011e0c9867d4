import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, JsonValue, SecretStr, field_validator, model_validator

from omnihub.connectors.asterisk.reckoning import Rules
from omnihub.connectors.contract import ChannelSettings
from omnihub.connectors.telephony.call import Consent

_REGION = r"^[A-Z]{2}$"
_HEADER = r"^[^\r\n\x00]*$"


def _shown(title: str, title_zh: str, group: str, *, en: str = "", zh: str = "", advanced: bool = False) -> Any:
    words: dict[str, JsonValue] = {
        "title_zh": title_zh,
        "description_zh": zh,
        "group": group,
        "advanced": advanced,
    }
    return Field(title=title, description=en, json_schema_extra=words)


class LineRegion(BaseModel):
    """The country whose callers reach this line without a country code."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    line: Annotated[str, Field(min_length=1, max_length=40), _shown("Line", "线路号码", "numbers")]
    region: Annotated[str, Field(pattern=_REGION), _shown("Country", "国家/地区", "numbers")]


class Settings(ChannelSettings):
    host: Annotated[
        str,
        Field(min_length=1, max_length=255, pattern=r"^[A-Za-z0-9.:_\[\]-]+$"),
        _shown("Asterisk server", "Asterisk 服务器", "exchange", en="Name or address", zh="主机名或 IP 地址"),
    ]
    port: Annotated[
        int,
        Field(ge=1, le=65535),
        _shown("AMI port", "AMI 端口", "exchange", en="5038, or 5039 with TLS", zh="默认 5038，TLS 一般为 5039"),
    ] = 5038
    tls: Annotated[bool, _shown("Use TLS", "使用 TLS", "exchange")] = False
    verify_certificate: Annotated[
        bool,
        _shown(
            "Check the server's certificate", "校验服务器证书", "exchange",
            en="Off: anybody on the way can pose as the server.", zh="关闭后，网络途中的任何人都可能冒充服务器。",
            advanced=True,
        ),
    ] = True  # fmt: skip
    username: Annotated[
        str,
        Field(min_length=1, max_length=80, pattern=_HEADER),
        _shown(
            "AMI user",
            "AMI 用户",
            "exchange",
            en="The section's name in manager.conf",
            zh="manager.conf 中的用户段名",
        ),
    ]
    secret: Annotated[SecretStr, _shown("AMI secret", "AMI 密码", "exchange")]
    login: Annotated[
        Literal["challenge", "plain"],
        _shown(
            "Login", "登录方式", "exchange",
            en="challenge: the secret itself never goes over the wire.", zh="challenge：密码本身不在网络上传输。",
            advanced=True,
        ),
    ] = "challenge"  # fmt: skip
    ping_seconds: Annotated[
        float,
        Field(gt=0, le=600),
        _shown("Ping every (seconds)", "心跳间隔（秒）", "exchange", advanced=True),
    ] = 20
    read_variables: Annotated[
        bool,
        _shown(
            "Read recording names from variables", "从变量读取录音文件名", "exchange",
            en="Needs the class “dialplan”, half of all events. Off: the name is made by the pattern below.",
            zh="需要 dialplan 类事件（约占事件量的一半）。关闭后按下方规则生成文件名。",
            advanced=True,
        ),
    ] = True  # fmt: skip

    region: Annotated[
        str,
        Field(pattern=_REGION),
        _shown(
            "Country of the callers", "来电默认国家/地区", "numbers",
            en="Two letters; for numbers without a country code", zh="两个字母；用于没有国家代码的号码",
        ),
    ] = "CN"  # fmt: skip
    line_regions: Annotated[
        tuple[LineRegion, ...],
        Field(max_length=200),
        _shown(
            "Lines with another country", "其他国家/地区的线路", "numbers",
            en="By the number that was dialled", zh="按被叫号码区分", advanced=True,
        ),
    ] = ()  # fmt: skip
    internal_numbers: Annotated[
        tuple[str, ...],
        Field(min_length=1, max_length=50),
        _shown(
            "Internal numbers", "内部号码", "numbers",
            en="Regular expressions; calls among these are not shown", zh="正则表达式；内部互拨不显示",
        ),
    ] = (r"\d{2,4}",)  # fmt: skip
    trunks: Annotated[
        tuple[str, ...],
        Field(max_length=50),
        _shown(
            "Trunks", "中继", "numbers",
            en="How their channels' names begin, such as PJSIP/trunk. Empty: told by the number",
            zh="中继通道名的开头，例如 PJSIP/trunk。留空则按号码判断",
        ),
    ] = ()  # fmt: skip
    dial_prefix: Annotated[
        str,
        Field(pattern=r"^[0-9*#]{0,6}$"),
        _shown(
            "Outside line", "外线前缀", "numbers",
            en="What is dialled before outside numbers", zh="拨打外线前所加的数字", advanced=True,
        ),
    ] = ""  # fmt: skip

    agent_channel: Annotated[
        str,
        Field(max_length=120, pattern=r"^[A-Za-z0-9_./@{}-]*\{extension\}[A-Za-z0-9_./@{}-]*$"),
        _shown(
            "Agents' telephones", "坐席话机", "calling",
            en="The channel that rings first; {extension} is filled in",
            zh="点击拨号时先振铃的通道，{extension} 会自动填入",
        ),
    ] = "PJSIP/{extension}"  # fmt: skip
    dial_context: Annotated[
        str,
        Field(max_length=80, pattern=r"^[A-Za-z0-9_.-]+$"),
        _shown(
            "Context for outgoing calls", "外呼上下文", "calling",
            en="Of the dialplan, in which the customer's number is dialled",
            zh="在拨号方案的该 context 中呼叫客户号码",
        ),
    ] = "from-internal"  # fmt: skip
    caller_id: Annotated[
        str,
        Field(max_length=120, pattern=_HEADER),
        _shown(
            "Caller id of outgoing calls",
            "外呼主叫号码",
            "calling",
            en="Such as Service <4000>",
            zh="例如 客服 <4000>",
        ),
    ] = ""
    ring_seconds: Annotated[
        int,
        Field(ge=5, le=120),
        _shown("Ring the agent for (seconds)", "坐席振铃时长（秒）", "calling", advanced=True),
    ] = 30

    recordings: Annotated[
        Literal["none", "folder", "web"],
        _shown(
            "Recordings come from", "录音来源", "recordings", en="A folder, or a web address", zh="文件夹或网址"
        ),
    ] = "none"
    recording_folder: Annotated[
        str,
        _shown(
            "Folder of recordings", "录音文件夹", "recordings",
            en="As this machine sees it, such as a mounted share", zh="本机可访问的路径，例如挂载的共享目录",
        ),
    ] = ""  # fmt: skip
    recording_url: Annotated[
        str,
        _shown(
            "Address of recordings",
            "录音网址",
            "recordings",
            en="https://pbx.example.com/monitor/",
            zh="录音文件所在网址",
        ),
    ] = ""
    recording_username: Annotated[
        str, _shown("User for that address", "录音网址用户名", "recordings", advanced=True)
    ] = ""
    recording_password: Annotated[
        SecretStr, _shown("Password for that address", "录音网址密码", "recordings", advanced=True)
    ] = SecretStr("")
    recording_root: Annotated[
        str,
        _shown("Folder on the exchange", "交换机上的录音目录", "recordings", advanced=True),
    ] = "/var/spool/asterisk/monitor"
    recording_name: Annotated[
        str,
        Field(max_length=200, pattern=r"^[^/\\\r\n\x00]*\{uniqueid\}[^/\\\r\n\x00]*$"),
        _shown(
            "Names of recordings", "录音文件名规则", "recordings",
            en="As MixMonitor(${UNIQUEID}.wav,b) makes them", zh="与 MixMonitor(${UNIQUEID}.wav,b) 一致",
            advanced=True,
        ),
    ] = "{uniqueid}.wav"  # fmt: skip
    consent_notice: Annotated[
        str,
        Field(max_length=2000),
        _shown(
            "Recording notice", "录音告知内容", "recordings",
            en="What callers are told before they are recorded; kept with every recording",
            zh="录音前向来电者播报的内容；随每条录音保存",
        ),
    ] = ""  # fmt: skip
    consent_version: Annotated[
        str, Field(max_length=100), _shown("Version of the notice", "告知内容版本", "recordings")
    ] = ""

    @field_validator("internal_numbers")
    @classmethod
    def _patterns(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        for value in values:
            try:
                re.compile(value)
            except re.error as error:
                raise ValueError(f"{value} is no regular expression: {error}") from error
        return values

    @field_validator("recording_url")
    @classmethod
    def _address(cls, value: str) -> str:
        value = value.strip()
        parts = urlsplit(value)
        if value and (
            parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment
        ):
            raise ValueError("write a web address such as https://pbx.example.com/monitor/")
        return value

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.recordings == "folder" and not Path(self.recording_folder).is_absolute():
            raise ValueError("name the folder of recordings, from the root on")
        if self.recordings == "web" and not self.recording_url:
            raise ValueError("name the web address of the recordings")
        return self

    @property
    def event_classes(self) -> str:
        return "call,agent,cdr,dialplan" if self.read_variables else "call,agent,cdr"

    def region_of(self, line: str) -> str:
        return next((one.region for one in self.line_regions if one.line == line), self.region)

    def rules(self) -> Rules:
        noticed = self.consent_notice or self.consent_version
        return Rules(
            internal=tuple(re.compile(one) for one in self.internal_numbers),
            trunks=self.trunks,
            prefix=self.dial_prefix,
            recording_name=self.recording_name,
            recording_root=self.recording_root,
            consent=Consent(notice=self.consent_notice, version=self.consent_version) if noticed else None,
        )
