from typing import Self
from urllib.parse import urlsplit

from pydantic import SecretStr, model_validator

from omnihub.connectors.contract import ChannelSettings
from omnihub.connectors.fields import shown

_SHORTEST_SECRET = 16


class Settings(ChannelSettings):
    signing_secret: SecretStr = shown(
        "Signing secret", "签名密钥", "signing",
        help_en="At least 16 characters. Signs what comes in and what goes out.",
        help_zh="至少 16 个字符。收到的消息和发出的回复都用它签名。",
    )  # fmt: skip
    previous_signing_secret: SecretStr = shown(
        "Previous signing secret", "旧签名密钥", "signing", default=SecretStr(""), advanced=True,
        help_en="Accepted as well while your system changes over; empty it afterwards.",
        help_zh="更换密钥期间仍然接受旧密钥的签名；完成后请清空。",
    )  # fmt: skip
    token_allowed: bool = shown(
        "Accept a fixed token instead of a signature", "允许用固定令牌代替签名", "signing", default=False,
        help_en="For systems that cannot sign: 'Authorization: Bearer <token>'.",
        help_zh="用于无法签名的系统：'Authorization: Bearer <令牌>'。",
    )  # fmt: skip
    api_token: SecretStr = shown("Fixed token", "固定令牌", "signing", default=SecretStr(""))

    reply_url: str = shown(
        "Address for replies", "接收回复的地址", "replies", default="",
        help_en="https://… of your own system. Empty: messages come in, but cannot be answered.",
        help_zh="您的系统的 https:// 地址。留空则只能接收，不能回复。",
    )  # fmt: skip
    allow_private_address: bool = shown(
        "Addresses inside the own network", "允许内网地址", "replies", default=False, advanced=True,
        help_en="Lets replies go to, and files be fetched from, private addresses and plain http. "
        "Leave off where the hub can reach what the other system may not.",
        help_zh="允许向内网地址（含明文 http）发送回复并从中获取文件。"
        "如果对方系统无权访问本机所在网络，请保持关闭。",
    )  # fmt: skip
    trust_verified: bool = shown(
        "Trust verified phones and emails", "信任已验证的手机和邮箱", "people", default=False,
        help_en="The system checked what it lists in sender.verified: such customers are joined with the "
        "same phone or email on other channels.",
        help_zh="对方系统已核实 sender.verified 中列出的项目：将与其他渠道中相同手机或邮箱的客户自动合并。",
    )  # fmt: skip
    phone_region: str = shown(
        "Country of phone numbers", "电话号码所属国家", "people", default="CN", pattern=r"^[A-Z]{2}$",
        help_en="Two letters; for numbers without +", help_zh="两个字母；用于没有 + 的号码",
    )  # fmt: skip

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        for secret in (self.signing_secret, self.previous_signing_secret, self.api_token):
            if 0 < len(secret.get_secret_value()) < _SHORTEST_SECRET:
                raise ValueError(f"secrets and tokens have at least {_SHORTEST_SECRET} characters")
        if not self.signing_secret.get_secret_value():
            raise ValueError("a signing secret is needed")
        if self.token_allowed and not self.api_token.get_secret_value():
            raise ValueError("enter the fixed token, or do not accept one")
        if self.reply_url:
            _check_address(self.reply_url, plain=self.allow_private_address)
        return self

    @property
    def signing_secrets(self) -> tuple[str, ...]:
        """The present one first."""
        both = (self.signing_secret.get_secret_value(), self.previous_signing_secret.get_secret_value())
        return tuple(secret for secret in both if secret)


def _check_address(url: str, *, plain: bool) -> None:
    try:
        read = urlsplit(url)
        host, user, _ = read.hostname, read.username, read.port
    except ValueError:
        raise ValueError("the address for replies is not a web address") from None
    if not host or read.scheme not in ("https", "http") or read.fragment:
        raise ValueError("write the address for replies as https://host/path")
    if read.scheme == "http" and not plain:
        raise ValueError("the address for replies must begin with https://")
    if user is not None:
        raise ValueError("leave user and password out of the address: replies are signed")
