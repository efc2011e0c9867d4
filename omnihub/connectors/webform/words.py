"""What the form itself says, in its two languages. Texts of one form are in its settings."""

from collections.abc import Mapping
from typing import Any

from omnihub.connectors.webform.settings import Language

_WORDS: Mapping[str, tuple[str, str]] = {
    "required": ("Please fill this in.", "请填写此项。"),
    "required_choice": ("Please choose one.", "请选择一项。"),
    "required_check": ("Please tick this box.", "请勾选此项。"),
    "required_file": ("Please add a file.", "请添加文件。"),
    "too_long": (
        "At most {limit} characters, please; these are {count}.",
        "最多 {limit} 个字符，当前 {count} 个。",
    ),
    "email": (
        "This does not look like an email address. Example: name@example.com",
        "邮箱格式不正确，例如：name@example.com",
    ),
    "tel": ("This does not look like a phone number.", "电话号码格式不正确。"),
    "number": ("Please enter a number.", "请输入数字。"),
    "date": ("Please enter a date, such as 2025-01-31.", "请输入日期，例如 2025-01-31。"),
    "option": ("Please choose one of the options.", "请从选项中选择。"),
    "one_option": ("Please choose one option only.", "只能选择一项。"),
    "file_count": ("At most {limit} files, please; these are {count}.", "最多 {limit} 个文件，当前 {count} 个。"),
    "file_size": (
        "“{name}” is larger than {limit} MB.",
        "“{name}”超过了 {limit} MB。",
    ),
    "file_type": (
        "“{name}” is of a type that cannot be sent here. Possible: {types}.",
        "不支持“{name}”的文件类型。支持：{types}。",
    ),
    "no_files": ("This form takes no files.", "此表单不接收文件。"),
    "empty": ("Nothing has been filled in yet.", "还没有填写任何内容。"),
    "proof_missing": (
        "The check of your browser is missing. Please switch on JavaScript and send again.",
        "缺少浏览器验证。请启用 JavaScript 后重新提交。",
    ),
    "look_again": ("Please look at the marked fields again.", "请检查标出的字段。"),
    "expired": (
        "This form is no longer valid. Please reload the page and send again.",
        "表单已失效，请刷新页面后重新提交。",
    ),
    "too_many": (
        "Too many messages in a short time. Please wait a minute and send again.",
        "提交过于频繁，请稍等一分钟再试。",
    ),
    "too_large": ("The files are too large together.", "文件总大小超出限制。"),
    "unreadable": ("This could not be read. Please send it again.", "内容无法读取，请重新提交。"),
    "failed": (
        "It could not be sent. What you wrote is still here; please try again.",
        "提交失败，您填写的内容仍在此处，请重试。",
    ),
    "sending": ("Sending…", "正在提交…"),
    "checking": ("Checking your browser…", "正在验证浏览器…"),
    "progress": ("Sending… {percent} %", "正在提交… {percent}%"),
    "required_note": ("Fields with * are required.", "带 * 的为必填项。"),
    "choose": ("Please choose", "请选择"),
    "reference": ("Reference: {reference}", "参考编号：{reference}"),
    "another": ("Send another message", "再写一条"),
    "honeypot": ("Leave this empty", "请留空"),
    "file_note": (
        "Up to {count} files of {size} MB each.",
        "最多 {count} 个文件，每个不超过 {size} MB。",
    ),
    "file_note_one": ("Up to {size} MB.", "不超过 {size} MB。"),
    "no_script": (
        "This form needs JavaScript to check that you are not a robot.",
        "此表单需要启用 JavaScript 以完成人机验证。",
    ),
    "yes": ("Yes", "是"),
    "files_label": ("Files", "附件"),
}


def say(language: Language, key: str, **values: Any) -> str:
    text = _WORDS[key][1 if language == "zh-CN" else 0]
    return text.format(**values) if values else text


def script_words(language: Language) -> dict[str, str]:
    """What the script in the visitor's browser says by itself."""
    keys = (
        "required", "required_choice", "required_check", "required_file", "email", "number", "date",
        "look_again", "expired", "too_many", "too_large", "failed", "sending", "checking", "progress",
        "reference", "another", "file_count", "file_size",
    )  # fmt: skip
    return {key: say(language, key) for key in keys}
