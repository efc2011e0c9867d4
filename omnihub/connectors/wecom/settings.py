from omnihub.connectors.fields import shown
from omnihub.connectors.wecom_api.settings import AppSettings


class Settings(AppSettings):
    agent_id: int = shown(
        "AgentId", "应用编号（AgentId）", "app", ge=1, le=2_147_483_647,
        help_en="The app's number, on its page in the admin console.", help_zh="见管理后台的应用详情页。",
    )  # fmt: skip
    per_member_minute: int = shown(
        "Messages to one person per minute", "每分钟发给同一成员的消息数", "sending", default=20, ge=1, le=30,
        advanced=True,
        help_en="WeCom drops what exceeds 30 a minute without a word; the hub waits instead.",
        help_zh="企业微信会悄悄丢弃超过每分钟 30 条的消息，系统会改为等待。",
    )  # fmt: skip
    duplicate_check_seconds: int = shown(
        "Let WeCom drop repeats within (seconds)", "重复消息检查间隔（秒）", "sending", default=300, ge=0,
        le=14_400, advanced=True,
        help_en="Protects a message that is sent again by hand after an unknown outcome. 0: off.",
        help_zh="用于结果未知后人工重发的消息，避免重复送达。0 表示关闭。",
    )  # fmt: skip
