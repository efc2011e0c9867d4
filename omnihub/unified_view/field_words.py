"""What is wrong with a field, in the reader's language, by pydantic's stable names of the errors."""

from collections.abc import Mapping

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from omnihub.unified_view.languages import Language

_WORDS: Mapping[str, tuple[str, str]] = {
    "missing": ("is required", "必填"),
    "extra_forbidden": ("is not known here", "未知字段"),
    "string_type": ("must be a text", "必须是文本"),
    "string_too_short": ("needs at least {min_length} characters", "至少需要 {min_length} 个字符"),
    "string_too_long": ("may have at most {max_length} characters", "最多 {max_length} 个字符"),
    "string_pattern_mismatch": ("is not in the right form", "格式不正确"),
    "int_type": ("must be a whole number", "必须是整数"),
    "int_parsing": ("must be a whole number", "必须是整数"),
    "int_from_float": ("must be a whole number", "必须是整数"),
    "int_parsing_size": ("is too large a number", "数字过大"),
    "float_type": ("must be a number", "必须是数字"),
    "float_parsing": ("must be a number", "必须是数字"),
    "finite_number": ("must be a finite number", "必须是有限的数字"),
    "bool_type": ("must be true or false", "必须是 true 或 false"),
    "bool_parsing": ("must be true or false", "必须是 true 或 false"),
    "literal_error": ("must be one of {expected}", "必须是以下之一：{expected}"),
    "enum": ("must be one of {expected}", "必须是以下之一：{expected}"),
    "list_type": ("must be a list", "必须是列表"),
    "tuple_type": ("must be a list", "必须是列表"),
    "dict_type": ("must be an object", "必须是对象"),
    "model_type": ("must be an object", "必须是对象"),
    "model_attributes_type": ("must be an object", "必须是对象"),
    "too_short": ("needs at least {min_length} entries", "至少需要 {min_length} 项"),
    "too_long": ("may have at most {max_length} entries", "最多 {max_length} 项"),
    "greater_than": ("must be greater than {gt}", "必须大于 {gt}"),
    "greater_than_equal": ("must be at least {ge}", "不能小于 {ge}"),
    "less_than": ("must be less than {lt}", "必须小于 {lt}"),
    "less_than_equal": ("may be at most {le}", "不能大于 {le}"),
    "timezone_aware": ("needs a time zone, such as a Z at the end", "需要包含时区，例如以 Z 结尾"),
    "opening_hours": ("cannot be read: {reason}", "无法识别，请按示例填写：Mon-Fri 09:00-18:00, Sat 10:00-14:00"),
    "short_number": ("needs at least the last four digits", "至少需要号码的后四位"),
    "time_zone": ("is no time zone such as Asia/Shanghai", "不是有效的时区，例如 Asia/Shanghai"),
    "datetime_type": ("must be a time such as 2026-01-31T09:00:00Z", "必须是时间，例如 2026-01-31T09:00:00Z"),
    "datetime_parsing": ("must be a time such as 2026-01-31T09:00:00Z", "必须是时间，例如 2026-01-31T09:00:00Z"),
    "datetime_from_date_parsing": (
        "must be a time such as 2026-01-31T09:00:00Z",
        "必须是时间，例如 2026-01-31T09:00:00Z",
    ),
}


def fields_of(error: ValidationError, language: Language) -> dict[str, str]:
    """Per wrong field what is wrong, the first complaint only; "" stands for the whole."""
    fields: dict[str, str] = {}
    for one in error.errors(include_url=False, include_input=False):
        fields.setdefault(_name(one), _words(one, language))
    return fields


def _name(error: ErrorDetails) -> str:
    # Branches of a union appear in the location as "constrained-str" and the like; they are no field names.
    return ".".join(str(part) for part in error["loc"] if not str(part).startswith(("constrained-", "function-")))


def _words(error: ErrorDetails, language: Language) -> str:
    words = _WORDS.get(error["type"])
    if words is None:
        return error["msg"].removeprefix("Value error, ")
    return words[language == "zh-CN"].format_map(error.get("ctx", {}))
