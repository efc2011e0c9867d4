"""What customers of a service desk write about, in their own words."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Literal


class Thing(Enum):
    """What is sent besides words."""

    PHOTO = "image"
    VOICE = "voice"


Part = str | Thing
PHOTO, VOICE = Thing.PHOTO, Thing.VOICE


@dataclass(slots=True, frozen=True, kw_only=True)
class Story:
    """`parts` are written one after the other, `answers` one after each answer of the desk."""

    language: Literal["en", "zh"]
    parts: Sequence[Part]
    answers: Sequence[str] = ()


STORIES: Sequence[Story] = (
    Story(
        language="zh",
        parts=("你好，我们会议室的显示屏被碰倒，中间裂了。", PHOTO, "今天下午能派师傅来看看吗？"),
        answers=("好的，我在公司等，前台报我名字就行。", "修好了，师傅很专业，谢谢！"),
    ),
    Story(
        language="zh",
        parts=("在吗？想问一下订单 20261105-0831 发货了没有", "说好三天到的，今天第五天了"),
        answers=("行吧，麻烦帮我催一下，到了我再说。",),
    ),
    Story(
        language="zh",
        parts=(
            "上个月的服务费需要开一张增值税专用发票，抬头是 青禾科技有限公司",
            "税号我稍后发，开好发邮箱可以吗？",
        ),
        answers=("税号 91310000MA1TEST00X，辛苦了。",),
    ),
    Story(
        language="zh",
        parts=("上周报修的洗衣机有消息了吗？", "进度"),
        answers=("明白，那我周四在家。",),
    ),
    Story(
        language="zh",
        parts=(VOICE, "刚才语音里说的是空调漏水，一开制冷就往下滴", "家里有老人，能不能快一点？"),
        answers=("谢谢这么快回复！地址还是上次那个。",),
    ),
    Story(
        language="zh",
        parts=("昨天来换滤芯的师傅特别细心，给个五星好评 👍",),
        answers=("不客气，下次还找你们。",),
    ),
    Story(
        language="zh",
        parts=("会员密码忘了，收不到验证码", "手机号没换过，一直是这个"),
        answers=("收到验证码了，已经能登录，谢谢。",),
    ),
    Story(
        language="zh",
        parts=("收到的箱子压坏了，里面的平板也碎屏了", PHOTO, "可以换一台新的吗？还是要寄回去？"),
        answers=("好，我今天就寄，快递单号晚点发你。",),
    ),
    Story(
        language="en",
        parts=(
            "Hi! Our coffee machine shows “descale” although we did that yesterday.",
            "Model KM-200, bought in May.",
        ),
        answers=("That worked, it is brewing again. Thank you!",),
    ),
    Story(
        language="en",
        parts=("Hello, order 88231 says delivered, but nothing is here.", "Could you ask the courier, please?"),
        answers=("Found it, a neighbour had taken it in. Thanks for checking!",),
    ),
    Story(
        language="en",
        parts=("My tablet arrived like this:", PHOTO, "Can I get a replacement before Friday?"),
        answers=("Great, I will have the old one ready for pick-up.",),
    ),
    Story(
        language="en",
        parts=("Please send the invoice for October once more, our accountant cannot open the first one.",),
        answers=("Received, and this one opens. Have a nice day!",),
    ),
    Story(
        language="en",
        parts=("The heating in flat 12 makes a knocking noise, listen:", VOICE, "It is worst in the morning."),
        answers=("Tomorrow between 8 and 10 is fine, somebody will be home.",),
    ),
    Story(
        language="en",
        parts=("Just wanted to say thanks. The technician was on time and very kind.",),
        answers=("You are welcome!",),
    ),
    Story(
        language="en",
        parts=("Is the blue one in size M still available?", "And do you ship to Hong Kong?"),
        answers=("Perfect, I will order it tonight.",),
    ),
    Story(
        language="en",
        parts=(
            "I was charged twice for the same booking this week.",
            "Both payments are 49.00, on Monday and on Tuesday.",
        ),
        answers=("Thank you, I will watch out for the refund.",),
    ),
)
