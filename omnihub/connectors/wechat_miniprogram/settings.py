from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, field_validator, model_validator

from omnihub.connectors.fields import host_names, shown
from omnihub.connectors.wechat_api.api import TYPING_PATH
from omnihub.connectors.wechat_api.media import VIDEO_HOSTS
from omnihub.connectors.wechat_api.settings import Blank, PushSettings, complete, of_different_ids

Kind = Literal["link", "mini_program", "subscribe"]


class PreparedMessage(BaseModel):
    """Blanks are written {key} in title, text, url and page."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = shown("Id", "标识", pattern=r"^[A-Za-z0-9_-]{1,64}$")
    name: str = shown("Name", "名称", min_length=1, max_length=100)
    kind: Kind = shown(
        "Kind", "类型",
        help_en="subscribe may go out at any time where the customer agreed; link and mini_program only within "
        "the reply window",
        help_zh="subscribe（订阅消息）在用户同意后可随时发送；"
        "link（图文链接）和 mini_program（小程序卡片）仅限回复时限内",
    )  # fmt: skip
    title: str = shown("Title", "标题", default="", max_length=200)
    text: str = shown("Text", "内容", default="", max_length=2000)
    fields: tuple[Blank, ...] = shown("Blanks", "变量", default=(), max_length=20)
    url: str = shown("Link", "链接", default="", max_length=1000)
    picture_url: str = shown(
        "Picture's address", "图片地址",
        help_en="Of the link or card; for a card a JPG or PNG of 2 MB at most",
        help_zh="链接或卡片的图片；卡片须为 2 MB 以内的 JPG 或 PNG",
        default="", max_length=1000,
    )  # fmt: skip
    page: str = shown("Page of the mini-program", "小程序页面", default="", max_length=1000)
    template_id: str = shown("Template id of the console", "后台的模板 ID", default="", max_length=128)

    @model_validator(mode="after")
    def _complete(self) -> Self:
        complete(self.name, self.kind, [one for one in _NEEDED[self.kind] if not getattr(self, one)], self.fields)
        for url in (self.url, self.picture_url):
            if url and not url.startswith(("https://", "http://")):
                raise ValueError(f"“{self.name}”: an address begins with https://")
        return self


_NEEDED: dict[str, tuple[str, ...]] = {
    "link": ("title", "text", "url", "picture_url"),
    "mini_program": ("title", "page", "picture_url"),
    "subscribe": ("template_id", "text"),
}


class Settings(PushSettings):
    prepared_messages: tuple[PreparedMessage, ...] = shown(
        "Prepared messages", "预设消息", "sending",
        "Links and cards, and subscribe messages for when the reply window is closed",
        "链接和卡片，以及回复时限过后使用的订阅消息",
        default=(), max_length=200,
    )  # fmt: skip
    moment_messages: int = shown(
        "Answers within that window", "该时限内可回复条数", "window", default=2, ge=0, le=100, advanced=True
    )
    typing_path: str = shown(
        "Path of the typing call", "“正在输入”接口路径", "advanced",
        "The official page says /cgi-bin/message/custom/business/typing, which was seen to answer 40101",
        "官方文档写作 /cgi-bin/message/custom/business/typing，但有人遇到 40101",
        default=TYPING_PATH, advanced=True, pattern=r"^/[A-Za-z0-9_/.-]{1,200}$",
    )  # fmt: skip
    picture_hosts: tuple[str, ...] = shown(
        "Where customers' pictures may be fetched from", "允许下载客户图片的域名", "advanced",
        "With all their subdomains", "包含其所有子域名",
        default=VIDEO_HOSTS, advanced=True, max_length=20,
    )  # fmt: skip

    _hosts = field_validator("picture_hosts")(host_names)

    @field_validator("prepared_messages")
    @classmethod
    def _different(cls, values: tuple[PreparedMessage, ...]) -> tuple[PreparedMessage, ...]:
        of_different_ids([one.id for one in values])
        return values
