import re
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import SecretStr, field_validator, model_validator

from omnihub.connectors.contract import ChannelSettings
from omnihub.connectors.fields import shown

API_URL = "https://api.telegram.org"
FILE_URL = "https://api.telegram.org/file"
_TOKEN = re.compile(r"[1-9]\d{0,15}:[A-Za-z0-9_-]{20,128}")
_USERNAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{3,31}")


class Settings(ChannelSettings):
    bot_token: Annotated[
        SecretStr,
        shown(
            "Bot token", "机器人令牌", "bot",
            help_en="What BotFather gave you: 123456789:AA…", help_zh="BotFather 给出的令牌：123456789:AA…",
        ),
    ]  # fmt: skip
    mode: Annotated[
        Literal["poll", "webhook"],
        shown(
            "Messages arrive by", "接收方式", "bot",
            help_en="poll: no public address needed; webhook: Telegram calls this hub at its https address.",
            help_zh="poll：无需公网地址；webhook：由 Telegram 访问本系统的公网 https 地址。",
        ),
    ] = "poll"  # fmt: skip
    groups: Annotated[
        bool,
        shown(
            "Take messages of groups", "接收群组消息", "groups",
            help_en="Off: what is written in groups is kept, but opens no ticket.",
            help_zh="关闭后，群组消息仅保存，不生成工单。",
        ),
    ] = True  # fmt: skip
    mention_only: Annotated[
        bool,
        shown(
            "In groups, only what is said to the bot", "群组中仅处理对机器人说的话", "groups",
            help_en="A mention, a command, or an answer to its messages. The rest is kept, but opens no ticket.",
            help_zh="即提到机器人、发送命令或回复它的消息；其余消息仅保存，不生成工单。",
        ),
    ] = False  # fmt: skip
    bot_username: Annotated[
        str,
        shown(
            "The bot's user name", "机器人用户名", "groups",
            help_en="Without @. Needed to know when it is mentioned.", help_zh="不带 @，用于识别是否提到机器人。",
        ),
    ] = ""  # fmt: skip
    api_url: Annotated[
        str,
        shown(
            "Bot API address", "Bot API 地址", "api", advanced=True,
            help_en="Of a Bot API server of your own, if you run one.",
            help_zh="如自建 Bot API 服务器，请填写其地址。",
        ),
    ] = API_URL  # fmt: skip
    file_url: Annotated[
        str,
        shown(
            "Address of files", "文件地址", "api", advanced=True,
            help_en="Usually the Bot API address followed by /file.", help_zh="通常为 Bot API 地址加 /file。",
        ),
    ] = FILE_URL  # fmt: skip

    @field_validator("bot_token")
    @classmethod
    def _looks_like_a_token(cls, value: SecretStr) -> SecretStr:
        token = value.get_secret_value().strip()
        if not _TOKEN.fullmatch(token):
            raise ValueError("a bot token is digits, a colon and some 35 letters, digits, - or _")
        return SecretStr(token)

    @field_validator("bot_username")
    @classmethod
    def _without_at(cls, value: str) -> str:
        name = value.strip().removeprefix("@")
        if name and not _USERNAME.fullmatch(name):
            raise ValueError("a user name is 4 to 32 letters, digits or _")
        return name

    @field_validator("api_url", "file_url")
    @classmethod
    def _web_address(cls, value: str) -> str:
        address = value.strip().rstrip("/")
        try:
            parts = urlsplit(address)
            usable = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
        except ValueError:
            usable = False
        if not usable or parts.query or parts.fragment or parts.username:
            raise ValueError("write an address such as https://api.telegram.org")
        return address

    @model_validator(mode="after")
    def _mentions_need_a_name(self) -> Self:
        if self.mention_only and not self.bot_username:
            raise ValueError("to take only what is said to the bot, enter the bot's user name")
        return self

    @property
    def bot_id(self) -> int:
        """A token begins with the id of its bot."""
        return int(self.bot_token.get_secret_value().partition(":")[0])
