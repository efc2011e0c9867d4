from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Provider = Literal["custom", "gmail", "microsoft365", "qq", "163", "126", "aliyun", "tencent_exmail"]


@dataclass(slots=True, frozen=True, kw_only=True)
class Preset:
    """`source` says where the server names were read and when; none was tried with a live account.
    `secret_hint` tells an admin whose login fails what this provider wants instead of the password."""

    values: Mapping[str, Any]
    secret_hint: str
    source: str


_FIXED = frozenset({"auth", "append_sent"})  # what cannot work otherwise at that provider


def _servers(imap: str, smtp: str, smtp_port: int = 465, **more: Any) -> dict[str, Any]:
    return {
        "imap_host": imap,
        "imap_port": 993,
        "imap_security": "tls",
        "smtp_host": smtp,
        "smtp_port": smtp_port,
        "smtp_security": "tls" if smtp_port == 465 else "starttls",
    } | more


_TOKEN = (
    "Check that the refresh token was made for this very mailbox, with the scopes in the channel's README, and"
    " that the provider allows IMAP and SMTP for it."
)
_CODE = "Use the authorisation code (授权码) made in the web mail's settings, not the login password."

PRESETS: Mapping[str, Preset] = {
    "gmail": Preset(
        values=_servers(
            "imap.gmail.com",
            "smtp.gmail.com",
            append_sent=False,  # Gmail keeps its own copy of what goes out over SMTP
            plus_addressing=True,
            oauth_token_url="https://oauth2.googleapis.com/token",
        ),
        secret_hint="Use an app password (two-step verification must be on) or OAuth 2.",
        source="Google's IMAP and XOAUTH2 pages, 2026-11-22",
    ),
    "microsoft365": Preset(
        values=_servers(
            "outlook.office365.com",
            "smtp.office365.com",
            587,
            auth="oauth2",
            oauth_token_url="https://login.microsoftonline.com/common/oauth2/v2.0/token",
            oauth_scope="https://outlook.office.com/IMAP.AccessAsUser.All "
            "https://outlook.office.com/SMTP.Send offline_access",
        ),
        secret_hint="Passwords no longer work here; use OAuth 2.",
        source="Microsoft's page on OAuth for IMAP and SMTP, 2026-11-22",
    ),
    "qq": Preset(
        values=_servers("imap.qq.com", "smtp.qq.com"), secret_hint=_CODE, source="set-up guides, 2026-11-22"
    ),
    "163": Preset(
        values=_servers("imap.163.com", "smtp.163.com"), secret_hint=_CODE, source="from memory, 2026-11-22"
    ),
    "126": Preset(
        values=_servers("imap.126.com", "smtp.126.com"), secret_hint=_CODE, source="from memory, 2026-11-22"
    ),
    "aliyun": Preset(
        values=_servers("imap.qiye.aliyun.com", "smtp.qiye.aliyun.com"),
        secret_hint="Use the third-party client password (三方客户端安全密码) if your organisation requires one.",
        source="Alibaba Mail DNS and client guides, 2026-11-22",
    ),
    "tencent_exmail": Preset(
        values=_servers("imap.exmail.qq.com", "smtp.exmail.qq.com"),
        secret_hint="Use the client password (客户端专用密码) where secure login is on.",
        source="from memory, 2026-11-22",
    ),
}


def with_preset(values: Mapping[str, Any]) -> dict[str, Any]:
    """`values` with the provider's own facts. A form sends its defaults along, so a port or an encryption
    counts as the admin's wish only beside a server name that is not the provider's."""
    filled = dict(values)
    preset = PRESETS.get(str(values.get("provider", "custom")))
    if preset is None:
        return filled
    for name, fact in preset.values.items():
        server, _, part = name.partition("_")
        if part in ("host", "port", "security"):
            own = values.get(f"{server}_host") or ""
            if own and own != preset.values[f"{server}_host"]:
                continue
        elif name not in _FIXED and filled.get(name) not in (None, ""):
            continue
        filled[name] = fact
    return filled


def secret_hint(provider: str, auth: str = "password") -> str:
    if auth == "oauth2":
        return _TOKEN
    preset = PRESETS.get(provider)
    return preset.secret_hint if preset else "Check the user name and password with the mail server's owner."
