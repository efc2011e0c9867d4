"""The inner rooms speak English; here is what they say, in Chinese. An unknown sentence gives way to the
catalogue's words for its code."""

import re
from collections.abc import Mapping

_SENTENCES: Mapping[str, str] = {
    "this ticket does not exist": "该工单不存在",
    "this message does not exist": "该消息不存在",
    "this contact does not exist": "该联系人不存在",
    "this conversation does not exist": "该会话不存在",
    "this operation does not exist": "该操作不存在",
    "this user does not exist": "该用户不存在",
    "this team does not exist": "该团队不存在",
    "this token does not exist": "该令牌不存在",
    "this account does not exist": "该账号不存在",
    "this attachment does not exist": "该附件不存在",
    "this file is no longer stored": "该文件已不再保存",
    "the original is no longer kept": "原始内容已不再保留",
    "this is not a dead letter, or no longer one": "该条目不是死信，或已被处理",
    "this has been undone already": "该操作已被撤销",
    "this is not a cursor of ours": "分页游标无效",
    "unreadable": "无法读取",
    "the settings are not complete or not right": "设置不完整或不正确",
    # tickets
    "this ticket was merged into another one": "该工单已合并到另一工单",
    "somebody else has taken this ticket": "该工单已被其他人领取",
    "a transfer needs a receiver and a reason": "转交需要指定接收人并填写原因",
    "is required": "必填",
    "name a colleague or a team": "请选择同事或团队",
    "this colleague cannot take tickets": "该同事不能处理工单",
    "cannot take tickets": "不能处理工单",
    "this time has passed": "该时间已过",
    "lies in the past": "时间已过去",
    "a ticket that has ended cannot be snoozed: open it first": "已结束的工单不能设为稍后处理，请先重新打开",
    "the note is empty": "备注内容为空",
    "a ticket needs a subject": "工单需要主题",
    "is empty": "不能为空",
    # merging, splitting, moving
    "this is the same ticket": "这是同一个工单",
    "choose messages of this ticket": "请选择该工单中的消息",
    "are not messages of this ticket": "不是该工单中的消息",
    "leave at least one message": "请至少保留一条消息",
    "are all messages of this ticket": "包含了该工单的全部消息",
    "choose messages of one conversation": "请选择同一会话中的消息",
    "are of several conversations": "属于多个会话",
    "this ticket has been changed since: it is no longer merged there": "该工单此后已发生变化，已不再合并于此",
    "what was split off has been moved since: undo that first": "拆分出的内容此后又被移动，请先撤销该移动",
    "this conversation has been moved again since: undo that first": "该会话此后又被移动，请先撤销该移动",
    "this conversation has been changed since": "该会话此后已发生变化",
    "these two contacts are one already": "这两个联系人已是同一人",
    "a contact needs a name": "联系人需要姓名",
    "this person takes no part in the conversation": "此人不在该会话中",
    # calls
    "this message is no call": "该消息不是通话",
    "this account cannot place calls": "该账号无法拨打电话",
    "cannot place calls": "无法拨打电话",
    "this number cannot be dialled": "该号码无法拨打",
    "is no telephone number": "不是电话号码",
    "write it with its country code, such as +49": "请加上国家代码，例如 +86",
    "the hub was stopped while the telephone rang": "响铃期间系统已停止运行",
    "this call-back does not exist": "该回拨任务不存在",
    "this number is to be called back already": "该号码已有待回拨任务",
    "this takes too long: choose a shorter time": "查询时间过长，请缩小时间范围",
    # replies
    "an answer needs a text or a file": "回复需要文字或附件",
    "the message being answered is not in this ticket": "所回复的消息不在该工单中",
    "this conversation is not in this ticket": "该会话不在该工单中",
    "this channel carries no copies": "该渠道不支持抄送",
    "this channel carries no files": "该渠道不支持附件",
    "the message being answered leads to nobody but this account itself": "该消息只能回复给账号自身，无法发送",
    "nobody has written in this conversation": "该会话中还没有人发言",
    "the account of this conversation was removed": "该会话所属的账号已被删除",
    "the same exchange is going on in another ticket: answer there": "同一往来正在另一工单中进行，请在那里回复",
    "this channel allows only answers, and the customer has not written here": "该渠道仅支持回复，客户尚未来信",
    "the customer has left this channel and cannot be written to": "客户已离开该渠道，无法联系",
    "this channel cannot take a message back": "该渠道无法撤回消息",
    "only what was sent from here and is still there can be taken back": "只能撤回从这里发出且尚未撤回的消息",
    "this is no handle of the customer": "这不是该客户的联系方式",
    "is no handle of the customer": "不是该客户的联系方式",
    "a template goes out alone": "模板消息须单独发送，不能附带文字或文件",
    "goes out alone": "须单独发送",
    "this account has no such template": "该账号没有此模板",
    "fill in every blank of the template": "请填写模板中的每一项",
    "the account is disabled: an answer waits until it is enabled": "账号已停用：回复将等到账号启用后发送",
    "it is no longer waiting: it cannot be taken back": "消息已不在等待中，无法撤回",
    "only what failed, is uncertain or was taken back can be sent again": "只有失败、结果未知或已撤回的消息可重发",
    "this message is not uncertain": "该消息的结果并非未知",
    "this message was not sent from here": "该消息不是从这里发出的",
}
_PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"there is no channel named (?P<a>.+)"), "没有名为 {a} 的渠道"),
    (re.compile(r"a user with the address (?P<a>\S+) exists already"), "邮箱 {a} 已有用户使用"),
    (re.compile(r"a team named (?P<a>.+) exists already"), "已有名为 {a} 的团队"),
    (re.compile(r"#(?P<a>\d+) was merged into another ticket"), "工单 #{a} 已合并到另一工单"),
    (
        re.compile(r"(?P<a>.+) cannot send, and no other account carries its answers"),
        "{a} 无法发送，也没有其他账号代为回复",
    ),
    (
        re.compile(r"(?P<a>.+) cannot send, and the customer left no address for (?P<b>.+)"),
        "{a} 无法发送，客户也没有留下可供 {b} 使用的地址",
    ),
    (re.compile(r"the reply window closed at (?P<a>.+) UTC"), "回复时限已于 {a}（UTC）结束"),
    (
        re.compile(r"all (?P<a>\d+) answers to the customer's last message are used"),
        "针对客户上一条消息的 {a} 条回复已用完",
    ),
    (re.compile(r"(?P<a>'.*'|\".*\") is not an address"), "{a} 不是有效地址"),
    (
        re.compile(r"(the text )?is (?P<a>\d+) characters long, and this channel takes (?P<b>\d+)"),
        "共 {a} 个字符，该渠道上限为 {b}",
    ),
    (
        re.compile(r"(the text )?is (?P<a>\d+) bytes long, and this channel takes (?P<b>\d+)"),
        "共 {a} 字节（一个汉字 3 字节），该渠道上限为 {b}",
    ),
    (re.compile(r"this channel does not carry (?P<a>.+)"), "该渠道无法发送 {a}"),
    (
        re.compile(r"this answer goes out as (?P<a>\d+) messages, and only (?P<b>\d+) may still go"),
        "该回复将分 {a} 条发出，而目前只能再发 {b} 条",
    ),
    (re.compile(r"(?P<a>.+) cannot write to (?P<b>.+)"), "{a} 无法联系 {b}"),
    (
        re.compile(r"this channel takes messages back for (?P<a>\S+) hours only"),
        "该渠道只能在 {a} 小时内撤回消息",
    ),
    (
        re.compile(r"(the files )?are (?P<a>\d+) bytes together, the channel takes (?P<b>\d+)"),
        "附件共 {a} 字节，该渠道上限为 {b}",
    ),
    (re.compile(r"these attachments do not exist: (?P<a>.+)"), "以下附件不存在：{a}"),
)


def in_chinese(sentence: str) -> str:
    """Empty for a sentence that is not known here."""
    if sentence in _SENTENCES:
        return _SENTENCES[sentence]
    for pattern, words in _PATTERNS:
        if found := pattern.fullmatch(sentence):
            return words.format_map(found.groupdict())
    return ""
