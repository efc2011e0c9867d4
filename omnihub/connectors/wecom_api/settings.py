from pydantic import SecretStr, field_validator

from omnihub.connectors.contract import ChannelSettings
from omnihub.connectors.fields import shown
from omnihub.connectors.sealed import decode_key
from omnihub.connectors.wecom_api.api import BASE_URL


class AppSettings(ChannelSettings):
    """What every app of the admin console has."""

    corp_id: str = shown(
        "CorpID", "企业 ID（CorpID）", "app", min_length=1, max_length=128,
        help_en="In the admin console under 我的企业 (My Company).", help_zh="管理后台“我的企业”页面底部。",
    )  # fmt: skip
    secret: SecretStr = shown(
        "Secret", "应用 Secret", "app",
        help_en="On the app's page; WeCom sends it to the admin's phone.",
        help_zh="在应用详情页查看，企业微信会发送到管理员手机。",
    )  # fmt: skip
    token: SecretStr = shown(
        "Callback token", "回调 Token", "callback",
        help_en="As entered under 接收消息 → 设置API接收.", help_zh="与“接收消息 → 设置API接收”中填写的一致。",
    )  # fmt: skip
    encoding_aes_key: SecretStr = shown(
        "EncodingAESKey", "消息加密密钥（EncodingAESKey）", "callback",
        help_en="43 characters, from the same page as the token.", help_zh="43 位字符，与 Token 在同一页面。",
    )  # fmt: skip
    previous_encoding_aes_key: SecretStr = shown(
        "Previous EncodingAESKey", "旧的 EncodingAESKey", "callback", default=SecretStr(""), advanced=True,
        help_en="While a key is being changed, calls sealed with the one before are still read.",
        help_zh="更换密钥期间，用旧密钥加密的回调仍可解密。",
    )  # fmt: skip
    base_url: str = shown(
        "Address of the API", "接口地址", "advanced", default=BASE_URL, advanced=True, pattern=r"^https?://[^\s/]+",
        help_en="Another one only behind a proxy or for a private deployment.",
        help_zh="仅在使用代理或私有化部署时修改。",
    )  # fmt: skip

    @field_validator("corp_id")
    @classmethod
    def _plain_id(cls, value: str) -> str:
        value = value.strip()
        if not value or not value.isprintable() or ":" in value:
            raise ValueError("copy the CorpID from the admin console; it has only letters and digits")
        return value

    @field_validator("secret", "token")
    @classmethod
    def _given(cls, value: SecretStr) -> SecretStr:
        stripped = value.get_secret_value().strip()
        if not stripped:
            raise ValueError("copy it from the app's page in the admin console")
        return SecretStr(stripped)

    @field_validator("encoding_aes_key", "previous_encoding_aes_key")
    @classmethod
    def _usable_key(cls, value: SecretStr) -> SecretStr:
        stripped = value.get_secret_value().strip()
        if stripped:
            decode_key(stripped)
        return SecretStr(stripped)

    @field_validator("encoding_aes_key")
    @classmethod
    def _key_given(cls, value: SecretStr) -> SecretStr:
        if not value.get_secret_value():
            raise ValueError("copy it from the app's page in the admin console")
        return value

    @property
    def keys(self) -> tuple[str, ...]:
        """The present EncodingAESKey, then the one before it."""
        both = (self.encoding_aes_key, self.previous_encoding_aes_key)
        return tuple(key.get_secret_value() for key in both if key.get_secret_value())
