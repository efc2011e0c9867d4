"""What problems are called, by their code: (title, detail) per language. `{names}` are filled in."""

from collections.abc import Mapping
from typing import NamedTuple

from omnihub.unified_view.languages import Language


class Entry(NamedTuple):
    status: int
    en: tuple[str, str]
    zh: tuple[str, str]


CATALOGUE: Mapping[str, Entry] = {
    "bad_request": Entry(
        400,
        ("Unreadable request", "This request cannot be understood."),
        ("请求无法解析", "无法理解该请求。"),
    ),
    "unreadable": Entry(
        400,
        ("Unreadable", "This cannot be understood."),
        ("内容无法解析", "无法理解所提交的内容。"),
    ),
    "bad_json": Entry(
        400,
        ("Unreadable request", "The body is not valid JSON: {reason}"),
        ("请求无法解析", "请求正文不是有效的 JSON：{reason}"),
    ),
    "not_signed_in": Entry(
        401,
        ("Not signed in", "Sign in, or send an API token."),
        ("尚未登录", "请先登录，或提供 API 令牌。"),
    ),
    "bad_login": Entry(
        401,
        ("Wrong email or password", "No active user has this email address and password."),
        ("邮箱或密码错误", "没有与该邮箱和密码匹配的有效用户。"),
    ),
    "bad_token": Entry(
        401,
        ("Token not accepted", "This API token is unknown, was withdrawn, or its user is inactive."),
        ("令牌无效", "该 API 令牌不存在、已被撤销，或其用户已停用。"),
    ),
    "unverified": Entry(
        401,
        ("Not verified", "The caller is not who it claims to be."),
        ("身份未通过验证", "无法确认调用方的身份。"),
    ),
    "forbidden": Entry(
        403,
        ("Not allowed", "Your role does not allow this."),
        ("没有权限", "您的角色无权执行此操作。"),
    ),
    "scope_missing": Entry(
        403,
        ("Not allowed", "This API token lacks the scope “{scope}”."),
        ("没有权限", "该 API 令牌缺少“{scope}”权限范围。"),
    ),
    "csrf": Entry(
        403,
        ("Not confirmed", "The header X-CSRF-Token is missing or wrong. Reload the page and try again."),
        ("请求未通过校验", "X-CSRF-Token 请求头缺失或不正确。请刷新页面后重试。"),
    ),
    "foreign_origin": Entry(
        403,
        ("Foreign website", "This call came from another website ({origin}) and was refused."),
        ("来源网站不被允许", "该请求来自其他网站（{origin}），已被拒绝。"),
    ),
    "not_found": Entry(
        404,
        ("Not found", "There is nothing here, or no longer."),
        ("未找到", "此处没有内容，或内容已不存在。"),
    ),
    "method_not_allowed": Entry(
        405,
        ("Method not allowed", "{method} is not possible here. Possible: {allowed}."),
        ("不支持的请求方法", "此处不支持 {method}。可用：{allowed}。"),
    ),
    "too_slow": Entry(
        408,
        ("Too slow", "The request did not arrive in time."),
        ("请求超时", "请求内容未能及时送达。"),
    ),
    "conflict": Entry(
        409,
        ("Conflict", "This changed in the meantime. Look again before you try again."),
        ("状态冲突", "内容在此期间已发生变化，请刷新后再试。"),
    ),
    "already_claimed": Entry(
        409,
        ("Already taken", "Someone else has taken this ticket."),
        ("已被领取", "该工单已被其他人领取。"),
    ),
    "stale_view": Entry(
        409,
        ("New messages came in", "Newer messages have come in that you have not seen."),
        ("有新消息", "在您回复期间收到了您尚未看到的新消息。"),
    ),
    "last_admin": Entry(
        409,
        ("The last administrator", "At least one active administrator must remain."),
        ("最后一位管理员", "必须至少保留一位有效的管理员。"),
    ),
    "account_in_use": Entry(
        409,
        ("Account in use", "This account holds {count} messages and cannot be deleted. Disable it instead."),
        ("账号正在使用", "该账号下有 {count} 条消息，无法删除。可以改为停用。"),
    ),
    "email_taken": Entry(
        409,
        ("Address taken", "A user with this email address exists already."),
        ("邮箱已被使用", "已有用户使用该邮箱。"),
    ),
    "name_taken": Entry(
        409,
        ("Name taken", "This name is in use already."),
        ("名称已被使用", "该名称已被使用。"),
    ),
    "in_progress": Entry(
        409,
        ("Still at work", "The first call with this Idempotency-Key is still being worked on."),
        ("正在处理", "使用相同 Idempotency-Key 的首个请求仍在处理中。"),
    ),
    "refused": Entry(
        409,
        ("Refused", "The provider refused this."),
        ("被拒绝", "渠道方拒绝了该操作。"),
    ),
    "window_closed": Entry(
        409,
        ("Reply window closed", "The time or quota for replies on this channel is over."),
        ("回复窗口已关闭", "该渠道的回复时限或条数已用完。"),
    ),
    "too_large": Entry(
        413,
        ("Too large", "This is larger than the {limit} bytes that are allowed here."),
        ("内容过大", "超过了允许的 {limit} 字节上限。"),
    ),
    "unsupported_type": Entry(
        415,
        ("Wrong content type", "Send this as {wanted}."),
        ("内容类型不支持", "请以 {wanted} 格式提交。"),
    ),
    "bad_range": Entry(
        416,
        ("No such range", "The file has no such range."),
        ("范围无效", "文件中没有所请求的范围。"),
    ),
    "invalid": Entry(
        422,
        ("Please check what you entered", "Some fields are not right."),
        ("请检查填写内容", "部分字段填写不正确。"),
    ),
    "key_reused": Entry(
        422,
        ("Idempotency-Key reused", "This Idempotency-Key was used with another content."),
        ("Idempotency-Key 重复使用", "该 Idempotency-Key 已用于其他内容的请求。"),
    ),
    "throttled": Entry(
        429,
        ("Too many attempts", "Too many attempts to sign in. Try again in {wait}."),
        ("尝试次数过多", "登录尝试次数过多，请在{wait}后再试。"),
    ),
    "internal": Entry(
        500,
        ("Something went wrong", "This is our fault. It is logged under the number {id}."),
        ("服务器内部错误", "这是系统的问题，已记录，编号为 {id}。"),
    ),
    "uncertain": Entry(
        502,
        ("Outcome unknown", "Nobody knows whether this was done."),
        ("结果未知", "无法确定操作是否已完成。"),
    ),
    "try_later": Entry(
        503,
        ("Try again later", "The other side is busy or cannot be reached."),
        ("请稍后重试", "对方繁忙或暂时无法连接。"),
    ),
    "unavailable": Entry(
        503,
        ("Database not reachable", "The database cannot be reached at the moment. Nothing was lost; try again."),
        ("数据库暂时不可用", "数据库暂时无法连接。数据没有丢失，请稍后重试。"),
    ),
}


def words_of(code: str, language: Language) -> tuple[str, str]:
    entry = CATALOGUE[code]
    return entry.zh if language == "zh-CN" else entry.en


def duration(seconds: float, language: Language) -> str:
    minutes = round(seconds / 60)
    if minutes < 1:
        whole = max(1, round(seconds))
        return f" {whole} 秒" if language == "zh-CN" else f"{whole} second{'s' * (whole > 1)}"
    return f" {minutes} 分钟" if language == "zh-CN" else f"{minutes} minute{'s' * (minutes > 1)}"
