from collections import Counter
from typing import Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, JsonValue, SecretStr, field_validator, model_validator

from omnihub.connectors.contract import ChannelSettings
from omnihub.connectors.sealed import decode_key
from omnihub.connectors.wechat_api.api import BASE_URL, TYPING_PATH
from omnihub.connectors.wechat_api.media import VIDEO_HOSTS
from omnihub.connectors.wechat_api.pushes import Mode

Kind = Literal["link", "mini_program", "subscribe"]


def _shown(
    title: str, title_zh: str, help_en: str = "", help_zh: str = "", *, group: str = "", advanced: bool = False,
    **more: Any,
) -> Any:  # fmt: skip
    """A field with its words; `more` goes to pydantic's Field."""
    extra: dict[str, JsonValue] = {"title_zh": title_zh, "description_zh": help_zh, "advanced": advanced}
    extra |= {"group": group} if group else {}
    return Field(title=title, description=help_en, json_schema_extra=extra, **more)


class Blank(BaseModel):
    """`key` as the approved template names it: thing1, character_string2, time3 …"""

    model_config = ConfigDict(extra="forbid", frozen=True)

    key: str = _shown("Key", "字段名", pattern=r"^[A-Za-z][A-Za-z0-9_]{0,39}$")
    label: str = _shown("Label", "标签", min_length=1, max_length=60)


class PreparedMessage(BaseModel):
    """Blanks are written {key} in title, text, url and page."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = _shown("Id", "标识", pattern=r"^[A-Za-z0-9_-]{1,64}$")
    name: str = _shown("Name", "名称", min_length=1, max_length=100)
    kind: Kind = _shown(
        "Kind", "类型",
        "subscribe may go out at any time where the customer agreed; link and mini_program only within the "
        "reply window",
        "subscribe（订阅消息）在用户同意后可随时发送；link（图文链接）和 mini_program（小程序卡片）仅限回复时限内",
    )  # fmt: skip
    title: str = _shown("Title", "标题", default="", max_length=200)
    text: str = _shown("Text", "内容", default="", max_length=2000)
    fields: tuple[Blank, ...] = _shown("Blanks", "变量", default=(), max_length=20)
    url: str = _shown("Link", "链接", default="", max_length=1000)
    picture_url: str = _shown(
        "Picture's address", "图片地址",
        "Of the link or card; for a card a JPG or PNG of 2 MB at most",
        "链接或卡片的图片；卡片须为 2 MB 以内的 JPG 或 PNG",
        default="", max_length=1000,
    )  # fmt: skip
    page: str = _shown("Page of the mini-program", "小程序页面", default="", max_length=1000)
    template_id: str = _shown("Template id of the console", "后台的模板 ID", default="", max_length=128)

    @model_validator(mode="after")
    def _complete(self) -> Self:
        missing = [name for name in _NEEDED[self.kind] if not getattr(self, name)]
        if missing:
            raise ValueError(f"“{self.name}”, a message of kind {self.kind}, needs {', '.join(missing)}")
        for url in (self.url, self.picture_url):
            if url and not url.startswith(("https://", "http://")):
                raise ValueError(f"“{self.name}”: an address begins with https://")
        twice = [key for key, count in Counter(blank.key for blank in self.fields).items() if count > 1]
        if twice:
            raise ValueError(f"“{self.name}” names the blank {', '.join(twice)} twice")
        return self


_NEEDED: dict[str, tuple[str, ...]] = {
    "link": ("title", "text", "url", "picture_url"),
    "mini_program": ("title", "page", "picture_url"),
    "subscribe": ("template_id", "text"),
}


class Settings(ChannelSettings):
    app_id: str = _shown("AppID", "AppID（小程序 ID）", group="credentials", pattern=r"^[A-Za-z0-9_-]{6,64}$")
    app_secret: SecretStr = _shown("AppSecret", "AppSecret（小程序密钥）", group="credentials", min_length=8)

    token: SecretStr = _shown(
        "Token", "Token（令牌）",
        "The one that you enter under Message push", "与“消息推送”中填写的一致",
        group="receiving", min_length=3, max_length=32,
    )  # fmt: skip
    mode: Mode = _shown(
        "Encryption", "消息加密方式",
        "safe and compatible: whatever comes unencrypted is refused, because its signature does not cover the "
        "content. plain: both are taken",
        "safe（安全模式）和 compatible（兼容模式）：拒绝未加密的推送，因为其签名不保护内容。"
        "plain（明文模式）：两者都接受",
        group="receiving", default="safe",
    )  # fmt: skip
    aes_key: SecretStr = _shown(
        "EncodingAESKey", "EncodingAESKey（消息加密密钥）",
        "43 letters and digits", "43 位字母或数字",
        group="receiving", default=SecretStr(""),
    )  # fmt: skip
    previous_aes_key: SecretStr = _shown(
        "EncodingAESKey before that", "上一个 EncodingAESKey",
        "After a change of the key, so that what is still on its way can be read",
        "更换密钥后填写，使仍在途中的消息可以解密",
        group="receiving", default=SecretStr(""), advanced=True,
    )  # fmt: skip

    prepared_messages: tuple[PreparedMessage, ...] = _shown(
        "Prepared messages", "预设消息",
        "Links and cards, and subscribe messages for when the reply window is closed",
        "链接和卡片，以及回复时限过后使用的订阅消息",
        group="sending", default=(), max_length=200,
    )  # fmt: skip
    window_hours: float = _shown(
        "Reply window in hours", "回复时限（小时）",
        "After the customer's last message; WeChat's present rule is 48",
        "从客户最后一条消息算起；微信现行规则为 48",
        group="window", default=48, gt=0, le=720, advanced=True,
    )  # fmt: skip
    window_messages: int = _shown(
        "Answers within the window", "时限内可回复条数", "WeChat's present rule is 5", "微信现行规则为 5 条",
        group="window", default=5, ge=1, le=100, advanced=True,
    )  # fmt: skip
    moment_seconds: float = _shown(
        "Window after opening the chat, in seconds", "进入客服会话后的时限（秒）",
        group="window", default=60, gt=0, le=86_400, advanced=True,
    )  # fmt: skip
    moment_messages: int = _shown(
        "Messages within that window", "该时限内可发送条数",
        group="window", default=2, ge=0, le=100, advanced=True,
    )  # fmt: skip

    base_url: str = _shown(
        "Address of the API", "接口地址",
        "Only for a proxy or a private gateway", "仅在使用代理或专用网关时修改",
        group="advanced", default=BASE_URL, advanced=True,
    )  # fmt: skip
    typing_path: str = _shown(
        "Path of the typing call", "“正在输入”接口路径",
        "The official page says /cgi-bin/message/custom/business/typing, which was seen to answer 40101",
        "官方文档写作 /cgi-bin/message/custom/business/typing，但有人遇到 40101",
        group="advanced", default=TYPING_PATH, advanced=True, pattern=r"^/[A-Za-z0-9_/.-]{1,200}$",
    )  # fmt: skip
    picture_hosts: tuple[str, ...] = _shown(
        "Where customers' pictures may be fetched from", "允许下载客户图片的域名",
        "With all their subdomains", "包含其所有子域名",
        group="advanced", default=VIDEO_HOSTS, advanced=True, max_length=20,
    )  # fmt: skip

    @field_validator("aes_key", "previous_aes_key")
    @classmethod
    def _a_key(cls, value: SecretStr) -> SecretStr:
        if value.get_secret_value():
            decode_key(value.get_secret_value())
        return value

    @field_validator("base_url")
    @classmethod
    def _an_address(cls, value: str) -> str:
        value = value.strip().rstrip("/")
        try:
            parts = urlsplit(value)
        except ValueError:
            raise ValueError("this is not a web address") from None
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise ValueError("write it as https://api.example.com")
        return value

    @field_validator("picture_hosts")
    @classmethod
    def _hosts(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        hosts = tuple(value.strip().lower().lstrip(".") for value in values)
        if not all(host.isascii() and host.replace("-", "").replace(".", "").isalnum() for host in hosts):
            raise ValueError("write host names, such as qpic.cn")
        return hosts

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        if self.mode != "plain" and not self.aes_key.get_secret_value():
            raise ValueError(f"the {self.mode} mode needs an EncodingAESKey")
        twice = [key for key, count in Counter(one.id for one in self.prepared_messages).items() if count > 1]
        if twice:
            raise ValueError(f"two prepared messages have the id {', '.join(twice)}")
        return self

    @property
    def keys(self) -> tuple[str, ...]:
        """EncodingAESKeys, the present one first."""
        both = (self.aes_key.get_secret_value(), self.previous_aes_key.get_secret_value())
        return tuple(key for key in both if key)
