"""What a new form starts with: a good contact form, in English and Chinese."""

from typing import Any

DEFAULT_FILE_TYPES = (
    "jpg", "jpeg", "png", "gif", "webp", "heic", "pdf", "txt", "log", "csv", "doc", "docx", "xls", "xlsx",
    "ppt", "pptx", "odt", "ods", "zip", "mp3", "m4a", "wav", "mp4", "mov",
)  # fmt: skip

TEXTS: dict[str, tuple[str, str]] = {
    "title": ("Contact us", "联系我们"),
    "intro": (
        "Tell us what we can do for you. We usually answer within one working day.",
        "请告诉我们您的需求，我们通常在一个工作日内回复。",
    ),
    "button": ("Send", "提交"),
    "thank_you": (
        "Thank you! Your message has arrived and we will get back to you soon.",
        "感谢您的来信！我们已经收到，会尽快与您联系。",
    ),
    "confirmation_subject": ("We have received your message [#{number}]", "我们已收到您的留言 [#{number}]"),
    "confirmation_text": (
        "Hello {name},\n\nthank you for your message. We have received it under the number #{number} and "
        "will answer you by email.\n\nTo add something, simply reply to this email.",
        "{name}，您好：\n\n感谢您的留言。我们已收到，编号为 #{number}，将通过邮件回复您。\n\n"
        "如需补充，直接回复本邮件即可。",
    ),
}

DEFAULT_FIELDS: tuple[dict[str, Any], ...] = (
    {
        "key": "name",
        "label": "Your name",
        "label_zh": "您的姓名",
        "required": True,
        "role": "name",
    },
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
    {"key": "subject", "label": "Subject", "label_zh": "主题", "role": "subject"},
    {
        "key": "message",
        "label": "Message",
        "label_zh": "留言内容",
        "type": "textarea",
        "required": True,
        "role": "message",
    },
    {"key": "files", "label": "Files", "label_zh": "附件", "type": "file"},
)
