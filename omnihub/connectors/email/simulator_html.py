"""The web mailbox's pages. Links are relative, so that it can be mounted anywhere."""

import re
from collections.abc import Sequence
from html import escape
from urllib.parse import urlencode

from omnihub.connectors.email import outgoing_text
from omnihub.connectors.email.simulator_letters import Letter

_WORDS = {
    "title": ("Customer mailbox", "客户邮箱"),
    "whose": ("Whose mailbox?", "打开谁的邮箱？"),
    "whose_help": (
        "A demo mail server on this machine. Any address that ends in .test has a mailbox.",
        "这是本机上的演示邮件服务器，任何以 .test 结尾的地址都有邮箱。",
    ),
    "other": ("Another address", "其他地址"),
    "open": ("Open", "打开"),
    "switch": ("Switch mailbox", "切换邮箱"),
    "channels": ("Other channels", "其他渠道"),
    "compose": ("Write", "写信"),
    "empty": ("No mail yet. Write to the desk.", "还没有邮件，写一封给客服吧。"),
    "no_subject": ("(no subject)", "（无主题）"),
    "back": ("All mail", "全部邮件"),
    "to": ("To", "收件人"),
    "subject": ("Subject", "主题"),
    "text": ("Message", "正文"),
    "file": ("Attach a file", "添加附件"),
    "send": ("Send", "发送"),
    "reply": ("Reply", "回复"),
    "history": ("Earlier messages", "历史内容"),
    "me": ("me", "我"),
    "failed": ("It was not sent", "未能发送"),
}


def _say(language: str, key: str) -> str:
    return escape(_WORDS[key][language == "zh"])


def _link(page: str, **query: str) -> str:
    return escape(f"{page}?{urlencode(query)}")


def _frame(language: str, who: str, inner: str) -> str:
    bar = ""
    if who:
        bar = (
            f'<span class="who">{escape(who)}</span>'
            f'<a class="button" data-testid="compose" href="{_link("compose", who=who, lang=language)}">'
            f"{_say(language, 'compose')}</a>"
            f'<a class="quiet" href="{_link("./", lang=language)}">{_say(language, "switch")}</a>'
        )
    other, label = ("en", "English") if language == "zh" else ("zh", "中文")
    return (
        f'<!doctype html><html lang="{"zh-CN" if language == "zh" else "en"}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>{_say(language, 'title')} {escape(who)}</title>"
        '<link rel="stylesheet" href="style.css"><script src="script.js" defer></script></head>'
        f'<body data-who="{escape(who)}"><header><h1>{_say(language, "title")}</h1>{bar}'
        f'<a class="quiet" href="../">{_say(language, "channels")}</a>'
        f'<a class="quiet" href="?lang={other}" data-language="{other}">{label}</a></header>'
        f"<main>{inner}</main></body></html>"
    )


def start(language: str, addresses: Sequence[str]) -> str:
    known = "".join(
        f'<li><a href="{_link("box", who=one, lang=language)}">{_face(one)}{escape(one)}</a></li>'
        for one in addresses
    )
    return _frame(
        language,
        "",
        f'<section class="card"><h2>{_say(language, "whose")}</h2>'
        f'<p class="soft">{_say(language, "whose_help")}</p>'
        f'<ul class="people">{known}</ul><form action="box" class="line">'
        f'<input name="who" type="email" required pattern=".+@.+\\.test" data-testid="who" '
        f'aria-label="{_say(language, "other")}" placeholder="name@customer.test">'
        f'<input type="hidden" name="lang" value="{language}">'
        f'<button data-testid="open">{_say(language, "open")}</button></form></section>',
    )


def box(language: str, who: str, threads: Sequence[Sequence[Letter]]) -> str:
    rows = "".join(_row(language, who, thread) for thread in threads)
    empty = f'<p class="soft card">{_say(language, "empty")}</p>'
    return _frame(language, who, f'<div id="live">{f"""<ul class="rows">{rows}</ul>""" if rows else empty}</div>')


def _row(language: str, who: str, thread: Sequence[Letter]) -> str:
    last = thread[-1]
    people = list(dict.fromkeys(_name(language, letter) for letter in thread))
    count = f' <span class="soft">{len(thread)}</span>' if len(thread) > 1 else ""
    unread = " unread" if any(letter.unread for letter in thread) else ""
    preview = escape(" ".join(last.mail.visible_text.split())[:140])
    subject = escape(thread[0].mail.subject) or _say(language, "no_subject")
    return (
        f'<li><a class="row{unread}" data-testid="mail-row" '
        f'href="{_link("mail", who=who, key=last.key, lang=language)}">'
        f'{_face(people[-1])}<span class="middle"><span class="names">{escape(", ".join(people))}{count}</span>'
        f'<span class="subject">{subject}</span><span class="soft preview">{preview}</span></span>'
        f"{_time(last)}</a></li>"
    )


def thread(language: str, who: str, letters: Sequence[Letter], desk: str) -> str:
    last = letters[-1]
    subject = escape(letters[0].mail.subject) or _say(language, "no_subject")
    shown = "".join(_letter(language, who, letter) for letter in letters)
    answered = next((letter for letter in reversed(letters) if letter.folder == "INBOX"), last)
    people = answered.mail.reply_to or ((answered.mail.from_,) if answered.mail.from_ else ())
    to = people[0].address if answered.folder == "INBOX" and people else _recipient(answered, desk)
    hidden = {
        "who": who,
        "to": to,
        "answers": answered.key,
        "subject": outgoing_text.reply_subject(last.mail.subject),
    }
    fields = "".join(
        f'<input type="hidden" name="{name}" value="{escape(value)}">' for name, value in hidden.items()
    )
    return _frame(
        language,
        who,
        f'<p><a class="quiet" href="{_link("box", who=who, lang=language)}">‹ {_say(language, "back")}</a></p>'
        f'<h2>{subject}</h2><div id="live">{shown}</div>'
        f'<form class="card" action="send?lang={language}" method="post" enctype="multipart/form-data">{fields}'
        f'<textarea name="text" rows="5" required data-testid="reply-text" aria-label="{_say(language, "text")}">'
        f"</textarea>{_send_line(language, 'reply')}</form>",
    )


def _recipient(letter: Letter, desk: str) -> str:
    return letter.mail.to[0].address if letter.mail.to else desk


def _letter(language: str, who: str, letter: Letter) -> str:
    mail = letter.mail
    page = mail.visible_html or outgoing_text.html_of(mail.visible_text or mail.text)
    quoted = (
        f'<details><summary class="soft">{_say(language, "history")}</summary>'
        f"<pre>{escape(mail.quoted_text)}</pre></details>"
        if mail.quoted_text.strip()
        else ""
    )
    own = " own" if letter.folder == "Sent" else ""
    return (
        f'<article class="card{own}" data-testid="mail"><div class="head">{_face(_name(language, letter))}'
        f"<b>{escape(_name(language, letter))}</b>{_time(letter)}</div>"
        f'<div class="body" data-testid="mail-body">{_with_images(page, who, letter)}</div>{quoted}'
        f"{_files(who, letter)}</article>"
    )


def _with_images(page: str, who: str, letter: Letter) -> str:
    links = {
        part.content_id: _link("part", who=who, key=letter.key, n=str(number))
        for number, part in enumerate(letter.mail.attachments)
        if part.content_id
    }
    return re.sub(r'"cid:([^"]+)"', lambda match: f'"{links.get(match[1], "")}"', page)


def _files(who: str, letter: Letter) -> str:
    listed = [
        f'<a class="file" data-testid="attachment" href="{_link("part", who=who, key=letter.key, n=str(number))}">'
        f"📎 {escape(part.filename)} <span class='soft'>{max(1, part.size // 1024)} kB</span></a>"
        for number, part in enumerate(letter.mail.attachments)
        if not part.inline
    ]
    return f'<p class="files">{"".join(listed)}</p>' if listed else ""


def compose(language: str, who: str, desk: str) -> str:
    return _frame(
        language,
        who,
        f'<p><a class="quiet" href="{_link("box", who=who, lang=language)}">‹ {_say(language, "back")}</a></p>'
        f'<form class="card" action="send?lang={language}" method="post" enctype="multipart/form-data">'
        f'<input type="hidden" name="who" value="{escape(who)}">'
        f'<label>{_say(language, "to")}<input name="to" type="email" required value="{escape(desk)}" '
        f'data-testid="compose-to"></label>'
        f"<label>{_say(language, 'subject')}"
        f'<input name="subject" maxlength="500" data-testid="compose-subject"></label>'
        f'<label>{_say(language, "text")}<textarea name="text" rows="10" required data-testid="compose-text">'
        f"</textarea></label>{_send_line(language, 'compose')}</form>",
    )


def _send_line(language: str, kind: str) -> str:
    words = "reply" if kind == "reply" else "send"
    return (
        f'<div class="line"><label class="quiet">{_say(language, "file")} '
        f'<input type="file" name="file" multiple data-testid="{kind}-file"></label>'
        f'<button data-testid="{kind}-send">{_say(language, words)}</button></div>'
    )


def problem(language: str, who: str, reason: str) -> str:
    return _frame(
        language,
        who,
        f'<section class="card" data-testid="problem"><h2>{_say(language, "failed")}</h2>'
        f"<p>{escape(reason)}</p></section>",
    )


def _name(language: str, letter: Letter) -> str:
    if letter.folder == "Sent":
        return _WORDS["me"][language == "zh"]
    sender = letter.mail.from_
    return (sender.name or sender.address) if sender else "?"


def _face(name: str) -> str:
    hue = sum(map(ord, name)) * 37 % 12
    return f'<span class="face hue{hue}" aria-hidden="true">{escape(name[:1].upper())}</span>'


def _time(letter: Letter) -> str:
    at = letter.stored.at
    return f'<time datetime="{at.isoformat()}" class="soft">{at:%Y-%m-%d %H:%M}</time>'
