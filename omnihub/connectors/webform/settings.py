import re
from collections import Counter
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from pydantic.fields import FieldInfo

from omnihub.connectors.contract import ChannelSettings
from omnihub.connectors.webform.presets import DEFAULT_FIELDS, DEFAULT_FILE_TYPES, TEXTS

FieldType = Literal[
    "text", "textarea", "email", "tel", "number", "select", "radio", "checkbox", "checkboxes", "date",
    "file", "hidden",
]  # fmt: skip
FieldRole = Literal["", "name", "email", "phone", "subject", "message"]
Language = Literal["en", "zh-CN"]
LANGUAGES: tuple[Language, ...] = ("en", "zh-CN")

CHOICES: frozenset[str] = frozenset({"select", "radio", "checkboxes"})
_MAX_LENGTH = {"textarea": 20_000, "hidden": 2_000, "email": 254, "tel": 40, "number": 40, "date": 10}
_ROLE_TYPES: dict[str, frozenset[str]] = {
    "name": frozenset({"text"}),
    "email": frozenset({"email"}),
    "phone": frozenset({"tel"}),
    "subject": frozenset({"text", "select", "radio", "hidden"}),
    "message": frozenset({"text", "textarea"}),
}
NO_LIMIT = ("0: no limit", "0：不限")
FILLED_IN = ("{number} and {name} are filled in", "{number} 和 {name} 会自动填入")
_ORIGIN_HOST = re.compile(r"[a-z0-9.\-]+|\[[0-9a-f:.]+\]")


def titled(title: str, title_zh: str, description: str = "", description_zh: str = "", **extra: str) -> FieldInfo:
    words = {"title_zh": title_zh} | ({"description_zh": description_zh} if description_zh else {})
    made: FieldInfo = Field(title=title, description=description or None, json_schema_extra={**words, **extra})
    return made


Short = Annotated[str, Field(max_length=200)]
Long = Annotated[str, Field(max_length=5000)]
Count = Annotated[int, Field(ge=0, le=1_000_000)]


class FormField(BaseModel):
    """One question. The `_zh` texts are shown on the Chinese form; an empty one falls back to the first."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    key: Annotated[
        str,
        Field(pattern=r"^[a-z][a-z0-9_]{0,39}$"),
        titled("Key", "字段标识", "Small letters, digits and _", "小写字母、数字和下划线"),
    ]
    label: Annotated[str, Field(min_length=1, max_length=200), titled("Label", "标签")]
    label_zh: Annotated[Short, titled("Label (Chinese)", "标签（中文）")] = ""
    type: Annotated[FieldType, titled("Type", "类型")] = "text"
    required: Annotated[bool, titled("Required", "必填")] = False
    options: Annotated[tuple[Short, ...], Field(max_length=200), titled("Options", "选项")] = ()
    options_zh: Annotated[
        tuple[Short, ...],
        Field(max_length=200),
        titled("Options (Chinese)", "选项（中文）", "As many as there are options", "数量与选项一致"),
    ] = ()
    placeholder: Annotated[Short, titled("Placeholder", "占位文字")] = ""
    placeholder_zh: Annotated[Short, titled("Placeholder (Chinese)", "占位文字（中文）")] = ""
    help: Annotated[str, Field(max_length=500), titled("Help text", "说明")] = ""
    help_zh: Annotated[str, Field(max_length=500), titled("Help text (Chinese)", "说明（中文）")] = ""
    max_length: Annotated[int | None, Field(ge=1, le=100_000), titled("Longest answer", "最大长度")] = None
    role: Annotated[
        FieldRole,
        titled("Role", "用途", "What the answer is used for in the ticket", "该字段在工单中的用途"),
    ] = ""

    @property
    def limit(self) -> int:
        """Characters of one answer."""
        return self.max_length or _MAX_LENGTH.get(self.type, 200)

    @model_validator(mode="after")
    def _fits_together(self) -> "FormField":
        if self.type in CHOICES and not self.options:
            raise ValueError(f"the field “{self.label}” needs options to choose from")
        if len(set(self.options)) != len(self.options) or not all(o.strip() for o in self.options):
            raise ValueError(f"the options of “{self.label}” must be different and not empty")
        if self.options_zh and len(self.options_zh) != len(self.options):
            raise ValueError(f"“{self.label}” needs as many Chinese options as options")
        if self.role and self.type not in _ROLE_TYPES[self.role]:
            fitting = " or ".join(sorted(_ROLE_TYPES[self.role]))
            raise ValueError(f"“{self.label}”: the role {self.role} needs a field of type {fitting}")
        return self


class Settings(ChannelSettings):
    fields: Annotated[
        tuple[FormField, ...],
        Field(min_length=1, max_length=60),
        titled("Fields", "字段", group="form", widget="form-fields"),
    ] = tuple(FormField.model_validate(values) for values in DEFAULT_FIELDS)
    language: Annotated[
        Literal["auto", "en", "zh-CN"],
        titled(
            "Language", "语言",
            "auto: the language of the visitor's browser", "auto：跟随访客浏览器的语言",
            group="form",
        ),
    ] = "auto"  # fmt: skip
    title: Annotated[Short, titled("Title", "标题", group="form")] = TEXTS["title"][0]
    title_zh: Annotated[Short, titled("Title (Chinese)", "标题（中文）", group="form")] = TEXTS["title"][1]
    intro: Annotated[Long, titled("Introduction", "引言", group="form", widget="textarea")] = TEXTS["intro"][0]
    intro_zh: Annotated[
        Long, titled("Introduction (Chinese)", "引言（中文）", group="form", widget="textarea")
    ] = TEXTS["intro"][1]
    button: Annotated[Short, titled("Button", "按钮", group="form")] = TEXTS["button"][0]
    button_zh: Annotated[Short, titled("Button (Chinese)", "按钮（中文）", group="form")] = TEXTS["button"][1]
    thank_you: Annotated[Long, titled("Thank-you text", "感谢语", group="form", widget="textarea")] = TEXTS[
        "thank_you"
    ][0]
    thank_you_zh: Annotated[
        Long, titled("Thank-you text (Chinese)", "感谢语（中文）", group="form", widget="textarea")
    ] = TEXTS["thank_you"][1]
    accent_color: Annotated[
        str,
        Field(pattern=r"^#[0-9a-fA-F]{6}$"),
        titled("Colour of the button", "按钮颜色", group="form", widget="color"),
    ] = "#2563eb"
    phone_region: Annotated[
        str,
        Field(pattern=r"^[A-Z]{2}$"),
        titled(
            "Country of phone numbers", "电话号码所属国家",
            "Two letters; for numbers without +", "两个字母；用于没有 + 的号码",
            group="form",
        ),
    ] = "CN"  # fmt: skip

    allowed_origins: Annotated[
        tuple[str, ...],
        Field(max_length=100),
        titled(
            "Websites that may embed the form", "允许嵌入的网站",
            "Such as https://www.example.com; * for any. Empty: the form's own page only",
            "例如 https://www.example.com；* 表示任意网站。留空：仅限表单自己的页面",
            group="protection",
        ),
    ] = ()  # fmt: skip
    min_fill_seconds: Annotated[
        float,
        Field(ge=0, le=600),
        titled(
            "Fastest human, in seconds", "最短填写时间（秒）",
            "A form sent sooner is marked as spam", "更快提交的表单会被标记为垃圾信息",
            group="protection",
        ),
    ] = 3  # fmt: skip
    captcha: Annotated[
        bool,
        titled(
            "Proof of work", "工作量证明",
            "The visitor's browser does a small calculation; nothing to click, no outside service",
            "访客的浏览器会做一次小计算；无需点击，不依赖外部服务",
            group="protection",
        ),
    ] = False  # fmt: skip
    captcha_difficulty: Annotated[
        Literal["easy", "normal", "hard"],
        titled("Effort of the proof", "证明难度", group="protection"),
    ] = "normal"
    per_ip_minute: Annotated[
        Count,
        titled("Submissions per minute from one address", "单个 IP 每分钟提交数", *NO_LIMIT, group="protection"),
    ] = 10
    per_form_minute: Annotated[
        Count,
        titled("Submissions per minute in all", "表单每分钟提交总数", *NO_LIMIT, group="protection"),
    ] = 120

    max_files: Annotated[int, Field(ge=0, le=20), titled("Most files", "文件数量上限", group="uploads")] = 5
    max_file_mb: Annotated[
        float,
        Field(gt=0, le=25),
        titled("Largest file, in MB", "单个文件大小上限（MB）", group="uploads"),
    ] = 10
    allowed_file_types: Annotated[
        tuple[str, ...],
        Field(max_length=60),
        titled("File types", "文件类型", "Endings without the dot", "不带点的扩展名", group="uploads"),
    ] = DEFAULT_FILE_TYPES

    confirmation: Annotated[
        bool,
        titled(
            "Send a confirmation", "发送确认邮件",
            "An email with the ticket number, when an address is given", "填写了邮箱时，发送包含工单编号的邮件",
            group="confirmation",
        ),
    ] = True  # fmt: skip
    confirmation_subject: Annotated[Short, titled("Subject", "主题", group="confirmation")] = TEXTS[
        "confirmation_subject"
    ][0]
    confirmation_subject_zh: Annotated[
        Short, titled("Subject (Chinese)", "主题（中文）", group="confirmation")
    ] = TEXTS["confirmation_subject"][1]
    confirmation_text: Annotated[
        Long, titled("Text", "正文", *FILLED_IN, group="confirmation", widget="textarea")
    ] = TEXTS["confirmation_text"][0]
    confirmation_text_zh: Annotated[
        Long, titled("Text (Chinese)", "正文（中文）", *FILLED_IN, group="confirmation", widget="textarea")
    ] = TEXTS["confirmation_text"][1]

    @field_validator("allowed_origins")
    @classmethod
    def _origins(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(_origin(value) for value in values))

    @field_validator("allowed_file_types")
    @classmethod
    def _endings(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        endings = tuple(dict.fromkeys(value.strip().lower().lstrip(".") for value in values))
        wrong = [ending for ending in endings if not re.fullmatch(r"[a-z0-9]{1,10}", ending)]
        if wrong:
            raise ValueError(f"not a file ending: {', '.join(wrong)}")
        return endings

    @field_validator("fields")
    @classmethod
    def _fields_differ(cls, fields: tuple[FormField, ...]) -> tuple[FormField, ...]:
        for what, counted in (
            ("key", Counter(f.key for f in fields)),
            ("role", Counter(f.role for f in fields if f.role)),
        ):
            twice = [name for name, count in counted.items() if count > 1]
            if twice:
                raise ValueError(f"only one field may have the {what} {', '.join(twice)}")
        return fields

    def words(self, name: str, language: Language) -> str:
        """A text of the form in this language, or in the other where it was left empty."""
        return localised(self, name, language)

    def field_of(self, role: FieldRole) -> FormField | None:
        return next((f for f in self.fields if f.role == role), None)


def localised(model: BaseModel, name: str, language: Language) -> str:
    first, chinese = str(getattr(model, name)), str(getattr(model, f"{name}_zh"))
    return (chinese or first) if language == "zh-CN" else (first or chinese)


def option_words(form_field: FormField, option: str, language: Language) -> str:
    if language == "zh-CN" and form_field.options_zh and option in form_field.options:
        return form_field.options_zh[form_field.options.index(option)]
    return option


def _origin(value: str) -> str:
    text = value.strip().lower().rstrip("/")
    if text == "*":
        return text
    try:
        url = urlsplit(text)
        port = url.port
    except ValueError:
        raise ValueError(f"not a website's address: {value}") from None
    host = url.netloc.rpartition("@")[2].removesuffix(f":{port}")
    plain = text == f"{url.scheme}://{url.netloc}" and "@" not in url.netloc
    if url.scheme not in {"http", "https"} or not plain or not _ORIGIN_HOST.fullmatch(host):
        raise ValueError(f"write it as https://www.example.com, without a path: {value}")
    # A browser leaves the usual port out of its Origin header.
    usual = {"http": 80, "https": 443}[url.scheme]
    return f"{url.scheme}://{host}" if port in {None, usual} else text
