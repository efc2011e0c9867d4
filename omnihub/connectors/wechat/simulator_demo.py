"""The demo account: who follows it, and what its console approved."""

from typing import Any

from omnihub.connectors.simulation import Person
from omnihub.connectors.wechat.simulator_approved import Known

NAME = "Demo Official Account"
APP_ID = "wx5e81d0c7a4b29f63"
APP_SECRET = "d41c5b0e97a24f6db8d3c1f0a6e57b92"
TOKEN = "omnihubDemo"
AES_KEY = "DemoOmnihubOfficialAccountEncodingKey012345"
ORIGINAL_ID = "gh_5c1f0a6e57b9"

ORDER = Known(
    id="nGlzWxQ2mT8sYb4RkE0pVh7JcUa5DoLi3FqMw1ZxKtA",
    text="订单状态更新\n订单号：{{character_string1.DATA}}\n状态：{{thing2.DATA}}",
)
VISIT = Known(
    id="Vb3KpQ9sLw7XzT1nYc5Rm0HdGf8JaUe2OiBx4ZkWvEo",
    text="上门服务提醒\n服务：{{thing1.DATA}}\n时间：{{time2.DATA}}",
)
PEOPLE = (
    Person(id="oQx7k5Demo0000000000LiXiaomei", name="李晓梅"),
    Person(id="oQx7k5Demo000000000WangJianguo", name="王建国"),
    Person(id="oQx7k5Demo00000000000EmmaClarke", name="Emma Clarke"),
)
NOTES = {
    "en": "Write as a follower on the customers' page. A follower's message opens 48 hours and five answers; "
    "after that only the prepared messages go out, the subscribe message once the customer accepted one.",
    "zh": "在客户页面以关注者身份留言。每条客户消息开启 48 小时、5 条回复；"
    "之后只能发送预设消息，订阅通知需客户先同意。",
}


def prepared() -> list[dict[str, Any]]:
    return [
        {
            "id": "order-status", "name": "订单状态更新 / Order status", "kind": "template",
            "template_id": ORDER.id,
            "text": "订单状态更新\n订单号：{character_string1}\n状态：{thing2}",
            "fields": [
                {"key": "character_string1", "label": "订单号 / Order number"},
                {"key": "thing2", "label": "状态 / Status"},
            ],
        },
        {
            "id": "visit", "name": "上门服务提醒 / Visit", "kind": "subscribe", "template_id": VISIT.id,
            "text": "上门服务提醒\n服务：{thing1}\n时间：{time2}",
            "fields": [{"key": "thing1", "label": "服务 / Service"}, {"key": "time2", "label": "时间 / Time"}],
        },
        {
            "id": "manual", "name": "使用手册 / Manual", "kind": "news", "title": "使用手册",
            "text": "型号 {model} 的使用手册", "url": "https://shop.example.test/manuals/{model}",
            "fields": [{"key": "model", "label": "型号 / Model"}],
        },
        {
            "id": "satisfied", "name": "满意度 / Satisfaction", "kind": "menu", "text": "本次服务您满意吗？",
            "choices": ["满意", "不满意"], "closing": "感谢您的反馈",
        },
    ]  # fmt: skip
