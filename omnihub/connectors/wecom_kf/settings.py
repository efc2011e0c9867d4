from typing import Annotated

from pydantic import Field, field_validator

from omnihub.connectors.fields import shown
from omnihub.connectors.wecom_api.settings import AppSettings

OpenKfId = Annotated[str, Field(max_length=128, pattern=r"^[^\s:/%]+$")]


class Settings(AppSettings):
    open_kfids: list[OpenKfId] = shown(
        "KF accounts", "客服账号", "app", default=[], max_length=100,
        help_en="Their ids (open_kfid), as “Test connection” shows them. Empty: all that the app manages.",
        help_zh="客服账号 ID（open_kfid），“测试连接”会列出。留空则接收应用管理的全部客服账号。",
    )  # fmt: skip
    welcome_text: str = shown(
        "Welcome message", "欢迎语", "messages", default="", max_length=600, widget="textarea",
        help_en="Sent when a customer opens the chat, where WeCom allows it (no message within 48 hours, and "
        "no welcome message set in its console). Empty: none.",
        help_zh="客户进入会话时自动发送（需 48 小时内无消息且管理后台未设置欢迎语）。留空则不发送。",
    )  # fmt: skip
    poll_seconds: int = shown(
        "Look for messages at least every (seconds)", "至少每隔多少秒检查一次", "receiving", default=300, ge=10,
        le=3600, advanced=True,
        help_en="Only for what no callback announced: WeCom strictly limits such calls.",
        help_zh="仅用于补收未收到回调的消息；企业微信对此类调用有严格的频率限制。",
    )  # fmt: skip
    keep_session: bool = shown(
        "Keep conversations at the hub", "由系统接待会话", "sending", default=True, advanced=True,
        help_en="With the first answer WeCom is told that the hub attends to the customer, so that nobody is "
        "assigned in the WeCom client meanwhile.",
        help_zh="首次回复时将会话状态设为“由智能助手接待”，避免企业微信同时分配其他接待人员。",
    )  # fmt: skip
    window_hours: float = shown(
        "Hours to answer in", "可回复时长（小时）", "sending", default=48, gt=0, le=240, advanced=True,
        help_en="As WeCom allows after the customer's last message.",
        help_zh="自客户最后一条消息起，以企业微信的规则为准。",
    )  # fmt: skip
    window_messages: int = shown(
        "Answers to one message", "每条消息可回复条数", "sending", default=5, ge=1, le=100, advanced=True,
        help_en="As WeCom allows after the customer's last message.",
        help_zh="自客户最后一条消息起，以企业微信的规则为准。",
    )  # fmt: skip

    @field_validator("open_kfids")
    @classmethod
    def _once_each(cls, values: list[str]) -> list[str]:
        return list(dict.fromkeys(values))
