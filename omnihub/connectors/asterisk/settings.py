import re
from pathlib import Path
from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import SecretStr, field_validator, model_validator

from omnihub.connectors.asterisk.reckoning import Rules
from omnihub.connectors.contract import ChannelSettings
from omnihub.connectors.fields import shown
from omnihub.connectors.telephony.lines import NOTICE_LIMIT, VERSION_LIMIT, Line, Lines

_HEADER = r"^[^\r\n\x00]*$"


class Settings(ChannelSettings):
    host: str = shown(
        "Asterisk server", "Asterisk 服务器", "exchange", "Name or address", "主机名或 IP 地址",
        min_length=1, max_length=255, pattern=r"^[A-Za-z0-9.:_\[\]-]+$",
    )  # fmt: skip
    port: int = shown(
        "AMI port", "AMI 端口", "exchange", "5038, or 5039 with TLS", "默认 5038，TLS 一般为 5039",
        default=5038, ge=1, le=65535,
    )  # fmt: skip
    tls: bool = shown("Use TLS", "使用 TLS", "exchange", default=False)
    verify_certificate: bool = shown(
        "Check the server's certificate", "校验服务器证书", "exchange",
        "Off: anybody on the way can pose as the server.", "关闭后，网络途中的任何人都可能冒充服务器。",
        default=True, advanced=True,
    )  # fmt: skip
    username: str = shown(
        "AMI user", "AMI 用户", "exchange", "The section's name in manager.conf", "manager.conf 中的用户段名",
        min_length=1, max_length=80, pattern=_HEADER,
    )  # fmt: skip
    secret: SecretStr = shown("AMI secret", "AMI 密码", "exchange")
    login: Literal["challenge", "plain"] = shown(
        "Login", "登录方式", "exchange",
        "challenge: the secret itself never goes over the wire.", "challenge：密码本身不在网络上传输。",
        default="challenge", advanced=True,
    )  # fmt: skip
    ping_seconds: float = shown(
        "Ping every (seconds)", "心跳间隔（秒）", "exchange", default=20, gt=0, le=600, advanced=True
    )
    read_variables: bool = shown(
        "Read recording names from variables", "从变量读取录音文件名", "exchange",
        "Needs the class “dialplan”, half of all events. Off: the name is made by the pattern below.",
        "需要 dialplan 类事件（约占事件量的一半）。关闭后按下方规则生成文件名。",
        default=True, advanced=True,
    )  # fmt: skip

    region: str = shown(
        "Country of the callers", "来电默认国家/地区", "numbers",
        "Two letters; for numbers without a country code", "两个字母；用于没有国家代码的号码",
        default="CN", pattern=r"^[A-Z]{2}$",
    )  # fmt: skip
    lines: tuple[Line, ...] = shown(
        "Lines that differ", "单独设置的线路", "numbers",
        "By the number that was dialled: another country, no recordings, another notice",
        "按被叫号码区分：其他国家/地区、不录音、不同的告知内容",
        default=(), max_length=200, advanced=True,
    )  # fmt: skip
    internal_numbers: tuple[str, ...] = shown(
        "Internal numbers", "内部号码", "numbers",
        "Regular expressions; calls among these are not shown", "正则表达式；内部互拨不显示",
        default=(r"\d{2,4}",), min_length=1, max_length=50,
    )  # fmt: skip
    trunks: tuple[str, ...] = shown(
        "Trunks", "中继", "numbers",
        "How their channels' names begin, such as PJSIP/trunk. Empty: told by the number",
        "中继通道名的开头，例如 PJSIP/trunk。留空则按号码判断",
        default=(), max_length=50,
    )  # fmt: skip
    dial_prefix: str = shown(
        "Outside line", "外线前缀", "numbers",
        "What is dialled before outside numbers", "拨打外线前所加的数字",
        default="", pattern=r"^[0-9*#]{0,6}$", advanced=True,
    )  # fmt: skip

    agent_channel: str = shown(
        "Agents' telephones", "坐席话机", "calling",
        "The channel that rings first; {extension} is filled in", "点击拨号时先振铃的通道，{extension} 会自动填入",
        default="PJSIP/{extension}", max_length=120,
        pattern=r"^[A-Za-z0-9_./@{}-]*\{extension\}[A-Za-z0-9_./@{}-]*$",
    )  # fmt: skip
    dial_context: str = shown(
        "Context for outgoing calls", "外呼上下文", "calling",
        "Of the dialplan, in which the customer's number is dialled", "在拨号方案的该 context 中呼叫客户号码",
        default="from-internal", max_length=80, pattern=r"^[A-Za-z0-9_.-]+$",
    )  # fmt: skip
    caller_id: str = shown(
        "Caller id of outgoing calls", "外呼主叫号码", "calling", "Such as Service <4000>", "例如 客服 <4000>",
        default="", max_length=120, pattern=_HEADER,
    )  # fmt: skip
    ring_seconds: int = shown(
        "Ring the agent for (seconds)", "坐席振铃时长（秒）", "calling", default=30, ge=5, le=120, advanced=True
    )

    recordings: Literal["none", "folder", "web"] = shown(
        "Recordings come from", "录音来源", "recordings", "A folder, or a web address", "文件夹或网址",
        default="none",
    )  # fmt: skip
    recording_folder: str = shown(
        "Folder of recordings", "录音文件夹", "recordings",
        "As this machine sees it, such as a mounted share", "本机可访问的路径，例如挂载的共享目录",
        default="", shown_if={"recordings": "folder"},
    )  # fmt: skip
    recording_url: str = shown(
        "Address of recordings", "录音网址", "recordings",
        "https://pbx.example.com/monitor/", "录音文件所在网址，例如 https://pbx.example.com/monitor/",
        default="", shown_if={"recordings": "web"},
    )  # fmt: skip
    recording_username: str = shown(
        "User for that address", "录音网址用户名", "recordings", default="", advanced=True,
        shown_if={"recordings": "web"},
    )  # fmt: skip
    recording_password: SecretStr = shown(
        "Password for that address", "录音网址密码", "recordings", default=SecretStr(""), advanced=True,
        shown_if={"recordings": "web"},
    )  # fmt: skip
    recording_root: str = shown(
        "Folder on the exchange", "交换机上的录音目录", "recordings",
        default="/var/spool/asterisk/monitor", advanced=True,
    )  # fmt: skip
    recording_name: str = shown(
        "Names of recordings", "录音文件名规则", "recordings",
        "As MixMonitor(${UNIQUEID}.wav,b) makes them", "与 MixMonitor(${UNIQUEID}.wav,b) 一致",
        default="{uniqueid}.wav", max_length=200, advanced=True,
        pattern=r"^[^/\\\r\n\x00]*\{uniqueid\}[^/\\\r\n\x00]*$",
    )  # fmt: skip
    consent_notice: str = shown(
        "Recording notice", "录音告知内容", "recordings",
        "What callers are told before they are recorded; kept with every recorded call",
        "录音前向来电者播报的内容；随每通录音电话保存",
        default="", max_length=NOTICE_LIMIT, widget="textarea",
    )  # fmt: skip
    consent_version: str = shown(
        "Version of the notice", "告知内容版本", "recordings", default="", max_length=VERSION_LIMIT
    )

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

    @property
    def lines_told(self) -> Lines:
        return Lines(region=self.region, notice=self.consent_notice, version=self.consent_version, own=self.lines)

    def rules(self) -> Rules:
        return Rules(
            internal=tuple(re.compile(one) for one in self.internal_numbers),
            trunks=self.trunks,
            prefix=self.dial_prefix,
            recording_name=self.recording_name,
            recording_root=self.recording_root,
        )
