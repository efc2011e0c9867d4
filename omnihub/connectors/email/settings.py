import ipaddress
import re
import ssl
from typing import Any, Literal, Self

from cryptography.hazmat.primitives.serialization import load_pem_private_key
from pydantic import SecretStr, field_validator, model_validator

from omnihub.connectors.contract import ChannelSettings
from omnihub.connectors.email.presets import PRESETS, Provider, with_preset
from omnihub.connectors.fields import shown

TransportSecurity = Literal["tls", "starttls", "none"]
FromStyle = Literal["desk", "author", "author_via_desk"]

ADDRESS = re.compile(r"[^\s@<>,;:\"()\[\]\\]+@[^\s@<>,;:\"()\[\]\\]+")
_BY_OAUTH = {"auth": "oauth2"}
START_FROM = r"^(now|all|days:[1-9]\d{0,3})$"


class Settings(ChannelSettings):
    provider: Provider = shown(
        "Provider",
        "服务商",
        "mailbox",
        default="custom",
        presets={key: preset.values for key, preset in PRESETS.items()},
    )
    address: str = shown("Mailbox address", "邮箱地址", "mailbox")
    sender_name: str = shown(
        "Sender name",
        "发件人名称",
        "mailbox",
        default="",
        help_en="Shown to customers.",
        help_zh="客户看到的名称。",
    )
    aliases: list[str] = shown(
        "Other addresses of this mailbox",
        "此邮箱的其他地址",
        "mailbox",
        default=[],
        advanced=True,
        help_en="Mail from these is never taken for a customer's.",
        help_zh="来自这些地址的邮件不会被当作客户来信。",
    )
    auth: Literal["password", "oauth2"] = shown("Sign-in", "登录方式", "mailbox", default="password")
    username: str = shown(
        "User name",
        "用户名",
        "mailbox",
        default="",
        advanced=True,
        help_en="Empty: the mailbox address.",
        help_zh="留空则使用邮箱地址。",
    )
    password: SecretStr = shown("Password or authorisation code", "密码或授权码", "mailbox", default=SecretStr(""))

    receive: bool = shown("Read the mailbox over IMAP", "通过 IMAP 收信", "receiving", default=True)
    imap_host: str = shown("IMAP server", "IMAP 服务器", "receiving", default="")
    imap_port: int = shown("IMAP port", "IMAP 端口", "receiving", default=993, ge=1, le=65535)
    imap_security: TransportSecurity = shown("IMAP encryption", "IMAP 加密", "receiving", default="tls")
    folders: list[str] = shown("Folders to read", "收信文件夹", "receiving", default=["INBOX"], min_length=1)
    start_from: str = shown(
        "Start with",
        "起始范围",
        "receiving",
        default="now",
        pattern=START_FROM,
        help_en="now: only new mail; days:30: the last 30 days; all: everything in the folders.",
        help_zh="now：只收新邮件；days:30：最近 30 天；all：文件夹中的全部邮件。",
    )
    read_sent: bool = shown(
        "Also read the Sent folder",
        "同时读取已发送文件夹",
        "receiving",
        default=False,
        advanced=True,
        help_en="Answers written in another mail program then show in the ticket.",
        help_zh="在其他邮件程序中写的回复也会出现在工单里。",
    )
    sent_folder: str = shown(
        "Sent folder",
        "已发送文件夹",
        "receiving",
        default="",
        advanced=True,
        help_en="Empty: found by itself.",
        help_zh="留空则自动查找。",
    )
    poll_seconds: int = shown(
        "Look for mail at least every (seconds)",
        "至少每隔多少秒检查一次",
        "receiving",
        default=120,
        ge=1,
        le=3600,
        advanced=True,
    )
    rescan_days: int = shown(
        "Days to read again when the server renumbers a folder",
        "服务器重新编号后回看的天数",
        "receiving",
        default=14,
        ge=1,
        le=3650,
        advanced=True,
    )
    max_mail_bytes: int = shown(
        "Largest mail to fetch whole (bytes)",
        "完整收取的最大邮件（字节）",
        "receiving",
        default=52_428_800,
        ge=4096,
        advanced=True,
        help_en="Of a larger one the beginning is kept, and the ticket says so.",
        help_zh="更大的邮件只保留开头部分，并在工单中注明。",
    )

    smtp_host: str = shown("SMTP server", "SMTP 服务器", "sending", default="")
    smtp_port: int = shown("SMTP port", "SMTP 端口", "sending", default=465, ge=1, le=65535)
    smtp_security: TransportSecurity = shown("SMTP encryption", "SMTP 加密", "sending", default="tls")
    smtp_username: str = shown(
        "SMTP user name",
        "SMTP 用户名",
        "sending",
        default="",
        advanced=True,
        help_en="Empty: as for IMAP.",
        help_zh="留空则与 IMAP 相同。",
    )
    smtp_password: SecretStr = shown("SMTP password", "SMTP 密码", "sending", default=SecretStr(""), advanced=True)
    smtp_connections: int = shown(
        "SMTP connections at once", "SMTP 并发连接数", "sending", default=3, ge=1, le=20, advanced=True
    )
    from_style: FromStyle = shown(
        "Name on replies",
        "回复的署名",
        "sending",
        default="desk",
        help_en="desk: the sender name; author: the agent's; author_via_desk: both.",
        help_zh="desk：发件人名称；author：客服姓名；author_via_desk：两者都显示。",
    )
    subject_tag: bool = shown(
        "Ticket number in the subject",
        "主题中附加工单号",
        "sending",
        default=True,
        help_en="As in [#1234].",
        help_zh="形如 [#1234]。",
    )
    quote_history: bool = shown("Quote the message being answered", "引用原邮件", "sending", default=True)
    signature: str = shown("Signature", "签名", "sending", default="")
    plus_addressing: bool = shown(
        "Plus-addressing",
        "加号地址",
        "sending",
        default=False,
        help_en="Switch on if mail to name+anything@ reaches this mailbox; replies then find their ticket.",
        help_zh="若发往 name+任意内容@ 的邮件能进入此邮箱请打开，回信凭地址即可找到工单。",
    )
    append_sent: bool = shown(
        "Copy replies to the Sent folder",
        "将回复存入已发送文件夹",
        "sending",
        default=True,
        help_en="Not needed where the provider does it by itself, as Gmail does.",
        help_zh="若服务商会自动保存（如 Gmail）则无需打开。",
    )

    push_secret: SecretStr = shown(
        "Push secret",
        "推送密钥",
        "push",
        default=SecretStr(""),
        advanced=True,
        help_en="Lets a mail server hand over raw mail by HTTP. Empty: no push.",
        help_zh="允许邮件服务器通过 HTTP 推送原始邮件。留空则关闭。",
    )

    oauth_client_id: str = shown("OAuth client id", "OAuth 客户端 ID", "oauth", default="", shown_if=_BY_OAUTH)
    oauth_client_secret: SecretStr = shown(
        "OAuth client secret", "OAuth 客户端密钥", "oauth", default=SecretStr(""), shown_if=_BY_OAUTH
    )
    oauth_refresh_token: SecretStr = shown(
        "OAuth refresh token", "OAuth 刷新令牌", "oauth", default=SecretStr(""), shown_if=_BY_OAUTH
    )
    oauth_token_url: str = shown(
        "OAuth token address", "OAuth 令牌地址", "oauth", default="", advanced=True, shown_if=_BY_OAUTH
    )
    oauth_scope: str = shown(
        "OAuth scope", "OAuth 权限范围", "oauth", default="", advanced=True, shown_if=_BY_OAUTH
    )

    dkim_selector: str = shown(
        "DKIM selector",
        "DKIM 选择器",
        "dkim",
        default="",
        advanced=True,
        help_en="Only where your relay does not sign by itself.",
        help_zh="仅在发信服务器不自动签名时填写。",
    )
    dkim_domain: str = shown(
        "DKIM domain",
        "DKIM 域名",
        "dkim",
        default="",
        advanced=True,
        help_en="Empty: the address's domain.",
        help_zh="留空则使用邮箱地址的域名。",
    )
    dkim_private_key: SecretStr = shown(
        "DKIM private key (PEM)", "DKIM 私钥（PEM）", "dkim", default=SecretStr(""), advanced=True
    )
    verify_certificate: bool = shown(
        "Check the servers' certificates",
        "校验服务器证书",
        "mailbox",
        default=True,
        advanced=True,
        help_en="Off: anybody on the way can pose as the server and read the password.",
        help_zh="关闭后，网络途中的任何人都可能冒充服务器并读取密码。",
    )
    certificate_authority: str = shown(
        "Own certificate authority (PEM)",
        "自有证书颁发机构（PEM）",
        "mailbox",
        default="",
        advanced=True,
        widget="textarea",
        help_en="For servers with a certificate of your own; believed beside the public authorities.",
        help_zh="除本机信任的机构外，还信任此证书；用于使用自签证书的服务器。",
    )

    @model_validator(mode="before")
    @classmethod
    def _fill_from_preset(cls, values: Any) -> Any:
        return with_preset(values) if isinstance(values, dict) else values

    @field_validator("address")
    @classmethod
    def _one_address(cls, value: str) -> str:
        value = value.strip()
        if not ADDRESS.fullmatch(value):
            raise ValueError("write one mail address, such as support@example.com")
        return value

    @field_validator("aliases")
    @classmethod
    def _only_addresses(cls, values: list[str]) -> list[str]:
        values = [value.strip() for value in values if value.strip()]
        wrong = [value for value in values if not ADDRESS.fullmatch(value)]
        if wrong:
            raise ValueError(f"not a mail address: {', '.join(wrong)}")
        return values

    @field_validator("sender_name")
    @classmethod
    def _one_line(cls, value: str) -> str:
        return " ".join(value.split())

    @field_validator("dkim_private_key")
    @classmethod
    def _usable_key(cls, value: SecretStr) -> SecretStr:
        if pem := value.get_secret_value().strip():
            try:
                load_pem_private_key(pem.encode(), password=None)
            except (ValueError, TypeError) as error:
                raise ValueError("this is not an unencrypted private key in PEM form") from error
        return value

    @field_validator("certificate_authority")
    @classmethod
    def _usable_authority(cls, value: str) -> str:
        if not value.strip():
            return ""
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=value)
        except (ValueError, ssl.SSLError) as error:
            raise ValueError("this is not a certificate in PEM form") from error
        return value

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.receive and not self.imap_host:
            raise ValueError("name the IMAP server, or switch off reading over IMAP")
        for host, security in ((self.imap_host, self.imap_security), (self.smtp_host, self.smtp_security)):
            if host and security == "none" and not _is_loopback(host):
                raise ValueError(f"unencrypted mail is allowed only to this machine, not to {host}")
        if bool(self.dkim_selector) != bool(self.dkim_private_key.get_secret_value()):
            raise ValueError("DKIM needs both a selector and a private key")
        if self.auth == "oauth2" and not (self.oauth_refresh_token.get_secret_value() and self.oauth_token_url):
            raise ValueError("OAuth 2 needs a refresh token and a token address")
        return self

    @property
    def login(self) -> str:
        return self.username or self.address

    @property
    def domain(self) -> str:
        return self.address.rpartition("@")[2]


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
