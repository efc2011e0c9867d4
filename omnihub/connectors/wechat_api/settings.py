"""What an Official Account and a mini-program are asked alike: credentials, pushes, windows."""

from collections import Counter
from collections.abc import Sequence
from typing import Self

from pydantic import BaseModel, ConfigDict, SecretStr, field_validator, model_validator

from omnihub.connectors import fields
from omnihub.connectors.contract import ChannelSettings
from omnihub.connectors.fields import shown
from omnihub.connectors.wechat_api.api import BASE_URL
from omnihub.connectors.wechat_api.pushes import Mode


class Blank(BaseModel):
    """`key` as the approved template names it: thing1, character_string2, keyword1 …"""

    model_config = ConfigDict(extra="forbid", frozen=True)

    key: str = shown("Key", "字段名", pattern=r"^[A-Za-z][A-Za-z0-9_]{0,39}$")
    label: str = shown("Label", "标签", min_length=1, max_length=60)


def complete(name: str, kind: str, missing: Sequence[str], blanks: Sequence[Blank]) -> None:
    """Whether a prepared message can be sent as it is. Raises ValueError."""
    if missing:
        raise ValueError(f"“{name}”, a message of kind {kind}, needs {', '.join(missing)}")
    twice = [key for key, count in Counter(blank.key for blank in blanks).items() if count > 1]
    if twice:
        raise ValueError(f"“{name}” names the blank {', '.join(twice)} twice")


def of_different_ids(ids: Sequence[str]) -> None:
    """Raises ValueError."""
    twice = [one for one, count in Counter(ids).items() if count > 1]
    if twice:
        raise ValueError(f"two prepared messages have the id {', '.join(twice)}")


class PushSettings(ChannelSettings):
    app_id: str = shown("AppID", "AppID（应用 ID）", "credentials", pattern=r"^[A-Za-z0-9_-]{6,64}$")
    app_secret: SecretStr = shown("AppSecret", "AppSecret（密钥）", "credentials", min_length=8)

    token: SecretStr = shown(
        "Token", "Token（令牌）", "receiving",
        "The one that you enter where the console asks for this hub's address",
        "与后台“服务器配置”或“消息推送”中填写的一致",
        min_length=3, max_length=32,
    )  # fmt: skip
    mode: Mode = shown(
        "Encryption", "消息加密方式", "receiving",
        "safe and compatible: whatever comes unencrypted is refused, because its signature does not cover the "
        "content. plain: both are taken",
        "safe（安全模式）和 compatible（兼容模式）：拒绝未加密的推送，因为其签名不保护内容。"
        "plain（明文模式）：两者都接受",
        default="safe",
    )  # fmt: skip
    aes_key: SecretStr = shown(
        "EncodingAESKey", "EncodingAESKey（消息加密密钥）", "receiving",
        "43 letters and digits", "43 位字母或数字",
        default=SecretStr(""),
    )  # fmt: skip
    previous_aes_key: SecretStr = shown(
        "EncodingAESKey before that", "上一个 EncodingAESKey", "receiving",
        "After a change of the key, so that what is still on its way can be read",
        "更换密钥后填写，使仍在途中的消息可以解密",
        default=SecretStr(""), advanced=True,
    )  # fmt: skip

    window_hours: float = shown(
        "Reply window in hours", "回复时限（小时）", "window",
        "After the customer's last message; WeChat's present rule is 48",
        "从客户最后一条消息算起；微信现行规则为 48",
        default=48, gt=0, le=720, advanced=True,
    )  # fmt: skip
    window_messages: int = shown(
        "Answers within the window", "时限内可回复条数", "window",
        "WeChat's present rule is 5; older pages say 20", "微信现行规则为 5 条；旧文档为 20 条",
        default=5, ge=1, le=100, advanced=True,
    )  # fmt: skip
    moment_seconds: float = shown(
        "Window after the customer did something, such as opening the chat, in seconds",
        "客户操作（如打开会话、点击菜单）后的时限（秒）", "window",
        default=60, gt=0, le=86_400, advanced=True,
    )  # fmt: skip
    moment_messages: int = shown(
        "Answers within that window", "该时限内可回复条数", "window", default=3, ge=0, le=100, advanced=True
    )

    base_url: str = shown(
        "Address of the API", "接口地址", "advanced",
        "Only for a proxy or a private gateway", "仅在使用代理或专用网关时修改",
        default=BASE_URL, advanced=True,
    )  # fmt: skip

    _a_key = field_validator("aes_key", "previous_aes_key")(fields.aes_key)
    _an_address = field_validator("base_url")(fields.web_address)

    @model_validator(mode="after")
    def _has_a_key(self) -> Self:
        if self.mode != "plain" and not self.aes_key.get_secret_value():
            raise ValueError(f"the {self.mode} mode needs an EncodingAESKey")
        return self

    @property
    def keys(self) -> tuple[str, ...]:
        """EncodingAESKeys, the present one first."""
        return fields.keys_of(self.aes_key, self.previous_aes_key)
