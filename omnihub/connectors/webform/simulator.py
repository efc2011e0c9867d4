from collections.abc import Sequence
from pathlib import Path

from aiohttp import web

from omnihub.connectors.contract import DemoAccount

_TOPICS = ("Order", "Repair", "Invoice", "Something else")
_TOPICS_ZH = ("订单", "维修", "发票", "其他")


class Simulator:
    """A form has no provider: the hub serves it itself, so there is nothing to start."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    def accounts(self) -> Sequence[DemoAccount]:
        return (
            DemoAccount(
                name="Contact us / 联系我们",
                settings={"fields": _demo_fields(), "captcha": True, "captcha_difficulty": "easy"},
                reply_via="email",
                notes={
                    "en": "Open the form, or its example page, and send something: the ticket appears at once.",
                    "zh": "打开表单或示例页面并提交，工单会立即出现。",
                },
            ),
        )

    def pages(self) -> web.Application | None:
        return None


def _demo_fields() -> list[dict[str, object]]:
    return [
        {"key": "name", "label": "Your name", "label_zh": "您的姓名", "required": True, "role": "name"},
        {
            "key": "email",
            "label": "Email",
            "label_zh": "邮箱",
            "type": "email",
            "required": True,
            "role": "email",
            "placeholder": "you@example.com",
            "help": "We answer to this address.",
            "help_zh": "我们会回复到这个邮箱。",
        },
        {"key": "phone", "label": "Phone", "label_zh": "电话", "type": "tel", "role": "phone"},
        {
            "key": "topic",
            "label": "What is it about?",
            "label_zh": "咨询类型",
            "type": "select",
            "options": list(_TOPICS),
            "options_zh": list(_TOPICS_ZH),
        },
        {
            "key": "message",
            "label": "Message",
            "label_zh": "留言内容",
            "type": "textarea",
            "required": True,
            "role": "message",
        },
        {"key": "files", "label": "Photos or documents", "label_zh": "图片或文件", "type": "file"},
    ]
