import re
from typing import Literal

from pydantic import SecretStr, field_validator, model_validator

from omnihub.connectors.contract import ChannelSettings
from omnihub.connectors.dingtalk.addresses import is_safe, split
from omnihub.connectors.fields import shown
from omnihub.connectors.sealed import decode_key

Mode = Literal["stream", "http"]
_PLACE = re.compile(r"(?:[a-z0-9](?:[a-z0-9.\-]*[a-z0-9])?|\[[0-9a-f:]+\])(?::\d{1,5})?")
_ID = r"^[A-Za-z0-9_.\-]{1,128}$"


class Settings(ChannelSettings):
    client_id: str = shown("Client ID (AppKey)", "应用 Client ID（AppKey）", "robot", pattern=_ID)
    client_secret: SecretStr = shown(
        "Client Secret (AppSecret)", "应用 Client Secret（AppSecret）", "robot", min_length=8
    )
    mode: Mode = shown(
        "How messages arrive",
        "消息接收方式",
        "robot",
        default="stream",
        help_en="stream: the hub connects to DingTalk, no public address needed. http: DingTalk calls the hub.",
        help_zh="stream：由本系统主动连接钉钉，无需公网地址。http：由钉钉回调本系统。",
    )
    robot_code: str = shown(
        "Robot code",
        "机器人编码（robotCode）",
        "robot",
        default="",
        pattern=r"^[A-Za-z0-9_.\-]{0,128}$",
        help_en="Empty: the same as the Client ID, as it is for a robot of an internal app.",
        help_zh="留空则与 Client ID 相同，企业内部应用的机器人即是如此。",
    )
    corp_id: str = shown(
        "CorpId of your organisation",
        "企业 CorpId",
        "robot",
        default="",
        pattern=r"^[A-Za-z0-9_.\-]{0,128}$",
        help_en="Only needed to begin conversations with members who have not written yet.",
        help_zh="仅在需要主动联系尚未来信的成员时填写。",
    )
    previous_client_secret: SecretStr = shown(
        "Previous Client Secret",
        "旧的 Client Secret",
        "robot",
        default=SecretStr(""),
        advanced=True,
        help_en="While the secret is being changed: calls signed with the old one are still taken.",
        help_zh="更换密钥期间填写：仍接受用旧密钥签名的回调。",
    )

    mention_author: bool = shown(
        "Mention the author with @ in group answers",
        "群聊回复时 @ 提问者",
        "replies",
        default=True,
        help_en="Possible while the session of the answered message lasts, about 90 minutes.",
        help_zh="仅在被回复消息的会话有效期内（约 90 分钟）可用。",
    )
    pictures_by_link: bool = shown(
        "Send pictures as a link to this hub",
        "以链接方式发送图片",
        "replies",
        default=False,
        advanced=True,
        help_en="Off: pictures are uploaded to DingTalk. On: DingTalk fetches them; the hub must be public.",
        help_zh="关闭：图片上传到钉钉。打开：由钉钉从本系统下载，本系统须可公网访问。",
    )
    session_hosts: tuple[str, ...] = shown(
        "Hosts that answers may be posted to",
        "允许的会话回复域名",
        "replies",
        default=("oapi.dingtalk.com",),
        advanced=True,
        help_en="The address to answer to stands in the message itself, which DingTalk does not sign.",
        help_zh="回复地址来自消息本身，而钉钉不对消息体签名，因此只允许发往这些域名。",
    )

    event_token: SecretStr = shown(
        "Event token",
        "事件订阅 token",
        "events",
        default=SecretStr(""),
        help_en="Events by HTTP only.",
        help_zh="仅用于 HTTP 方式的事件订阅。",
    )
    event_aes_key: SecretStr = shown("Event encryption key", "事件订阅 aes_key", "events", default=SecretStr(""))
    previous_event_aes_key: SecretStr = shown(
        "Previous event encryption key", "旧的 aes_key", "events", default=SecretStr(""), advanced=True
    )
    event_owner: str = shown(
        "Owner of the events",
        "事件归属标识",
        "events",
        default="",
        pattern=r"^[A-Za-z0-9_.\-]{0,128}$",
        advanced=True,
        help_en="Empty: the Client ID. The CorpId where the events were registered by API, the SuiteKey for ISVs.",
        help_zh="留空为 Client ID。通过 API 注册的事件填 CorpId，第三方企业应用填 SuiteKey。",
    )

    stream_connections: int = shown(
        "Stream connections",
        "Stream 连接数",
        "advanced",
        default=2,
        ge=1,
        le=8,
        advanced=True,
        help_en="With two, messages keep coming while DingTalk moves one of them.",
        help_zh="两条连接可在钉钉切换其中一条时不中断接收。",
    )
    max_skew_seconds: int = shown(
        "Oldest signature taken (seconds)",
        "签名最大时差（秒）",
        "advanced",
        default=3600,
        ge=60,
        le=86_400,
        advanced=True,
    )
    api_url: str = shown("API address", "API 地址", "advanced", default="https://api.dingtalk.com", advanced=True)
    oapi_url: str = shown(
        "Older API's address", "旧版 API 地址", "advanced", default="https://oapi.dingtalk.com", advanced=True
    )

    @field_validator("api_url", "oapi_url")
    @classmethod
    def _an_address(cls, value: str) -> str:
        value = value.strip().rstrip("/")
        if not is_safe(value):
            raise ValueError("write an address that begins with https://")
        return value

    @field_validator("session_hosts")
    @classmethod
    def _hosts(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        hosts = tuple(dict.fromkeys(value.strip().lower() for value in values if value.strip()))
        wrong = [host for host in hosts if not _PLACE.fullmatch(host) or split(f"https://{host}") is None]
        if wrong:
            raise ValueError("write hosts only, such as oapi.dingtalk.com, with a port where it is not 443")
        return hosts

    @field_validator("event_aes_key", "previous_event_aes_key")
    @classmethod
    def _usable_key(cls, value: SecretStr) -> SecretStr:
        if value.get_secret_value():
            decode_key(value.get_secret_value())
        return value

    @model_validator(mode="after")
    def _events_are_complete(self) -> "Settings":
        if bool(self.event_token.get_secret_value()) != bool(self.event_aes_key.get_secret_value()):
            raise ValueError("events by HTTP need both the token and the encryption key")
        return self

    @property
    def robot(self) -> str:
        return self.robot_code or self.client_id
