from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, field_validator, model_validator

from omnihub.connectors.fields import host_names, shown
from omnihub.connectors.wechat_api.media import VIDEO_HOSTS
from omnihub.connectors.wechat_api.settings import Blank, PushSettings, complete, of_different_ids

Kind = Literal["template", "subscribe", "news", "menu", "mini_program"]


class PreparedMessage(BaseModel):
    """Blanks are written {key} in title, text, closing, url and page."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = shown("Id", "标识", pattern=r"^[A-Za-z0-9_-]{1,64}$")
    name: str = shown("Name", "名称", min_length=1, max_length=100)
    kind: Kind = shown(
        "Kind", "类型",
        help_en="template and subscribe may go out at any time; news, menu and mini_program only within the reply "
        "window",
        help_zh="template（模板消息）和 subscribe（订阅通知）可随时发送；"
        "news（图文）、menu（菜单）和 mini_program（小程序卡片）仅限回复时限内",
    )  # fmt: skip
    text: str = shown("Text", "内容", default="", max_length=2000)
    fields: tuple[Blank, ...] = shown("Blanks", "变量", default=(), max_length=20)
    template_id: str = shown("Template id of the console", "后台的模板 ID", default="", max_length=128)
    title: str = shown("Title", "标题", default="", max_length=200)
    url: str = shown("Link", "链接", default="", max_length=1000)
    picture_url: str = shown("Picture's address", "图片地址", default="", max_length=1000)
    choices: tuple[str, ...] = shown("Choices of the menu", "菜单选项", default=(), max_length=10)
    closing: str = shown("Text below the choices", "选项下方文字", default="", max_length=500)
    mini_program_appid: str = shown("AppID of the mini-program", "小程序 AppID", default="", max_length=64)
    page: str = shown("Page of the mini-program", "小程序页面", default="", max_length=1000)
    cover_media_id: str = shown(
        "media_id of the card's picture", "卡片图片的 media_id", default="", max_length=200
    )

    @model_validator(mode="after")
    def _complete(self) -> Self:
        complete(self.name, self.kind, [one for one in _NEEDED[self.kind] if not getattr(self, one)], self.fields)
        return self


_NEEDED: dict[str, tuple[str, ...]] = {
    "template": ("template_id", "text"),
    "subscribe": ("template_id", "text"),
    "news": ("title", "url"),
    "menu": ("text", "choices"),
    "mini_program": ("title", "page", "mini_program_appid", "cover_media_id"),
}


class Settings(PushSettings):
    kf_account: str = shown(
        "Customer-service account", "客服账号", "sending",
        "Answers are shown as written by it, such as service@brand. Empty: by the account itself",
        "回复显示为该客服发送，例如 service@brand。留空则以公众号身份发送",
        default="", max_length=100,
    )  # fmt: skip
    prepared_messages: tuple[PreparedMessage, ...] = shown(
        "Prepared messages", "预设消息", "sending",
        "Template and subscribe messages for when the reply window is closed; cards and menus",
        "回复时限过后使用的模板消息和订阅通知，以及卡片和菜单",
        default=(), max_length=200,
    )  # fmt: skip
    video_hosts: tuple[str, ...] = shown(
        "Where videos and pictures may be fetched from", "允许下载视频和图片的域名", "advanced",
        "With all their subdomains", "包含其所有子域名",
        default=VIDEO_HOSTS, advanced=True, max_length=20,
    )  # fmt: skip

    _hosts = field_validator("video_hosts")(host_names)

    @field_validator("prepared_messages")
    @classmethod
    def _different(cls, values: tuple[PreparedMessage, ...]) -> tuple[PreparedMessage, ...]:
        of_different_ids([one.id for one in values])
        return values
