"""The demo mini-program: who uses it, and what its console approved."""

import base64
from typing import Any

from omnihub.connectors.simulation import Person

NAME = "Demo mini-program / 演示小程序"
APP_ID = "wx71c4e90ab35d2f86"
APP_SECRET = "7be02d95c1f84a3690d2e7b41fa8c653"
TOKEN = "omnihubMini"
AES_KEY = "DemoOmnihubMiniProgramEncodingAESKey0123456"
ORIGINAL_ID = "gh_a83f5d17c0e2"
TEMPLATE_ID = "kT3vQx8LmZ1nWc6RsY4eHb0JdUf7PaGi2OoBqXwVtNE"
TEMPLATE_TEXT = "订单状态提醒\n订单号：{{character_string1.DATA}}\n状态：{{phrase2.DATA}}"
# One blue pixel.
COVER = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGNQTX4NAAIkAXSaGkHUAAAAAElFTkSuQmCC"
)
PEOPLE = (
    Person(id="oMp4vDemo000000000ZhangWei001", name="张伟"),
    Person(id="oMp4vDemo00000000LiuTingting2", name="刘婷婷"),
    Person(id="oMp4vDemo000000000DavidMurray", name="David Murray"),
)
NOTES = {
    "en": "Write as a user of the mini-program on the customers' page. A message opens 48 hours and five answers, "
    "opening the chat one minute and two; after that only subscribe messages go out, once the customer agreed.",
    "zh": "在客户页面以小程序用户身份留言。每条客户消息开启 48 小时、5 条回复，进入会话开启 1 分钟、2 条；"
    "之后只能发送用户已同意的订阅消息。",
}


def prepared(base_url: str) -> list[dict[str, Any]]:
    order = [{"key": "order", "label": "订单号 / Order number"}]
    return [
        {
            "id": "order-page", "name": "订单详情卡片 / Order page", "kind": "mini_program",
            "title": "订单 {order}", "page": "pages/order/detail?id={order}", "fields": order,
            "picture_url": f"{base_url}/cover.png",
        },
        {
            "id": "returns", "name": "退换货说明 / Returns", "kind": "link", "title": "退换货说明",
            "text": "七天无理由退换货的步骤", "url": "https://shop.example.test/returns",
            "picture_url": f"{base_url}/cover.png",
        },
        {
            "id": "order-status", "name": "订单状态提醒 / Order status", "kind": "subscribe",
            "template_id": TEMPLATE_ID, "page": "pages/order/list",
            "text": "订单状态提醒\n订单号：{character_string1}\n状态：{phrase2}",
            "fields": [
                {"key": "character_string1", "label": "订单号 / Order number"},
                {"key": "phrase2", "label": "状态 / Status"},
            ],
        },
    ]  # fmt: skip
