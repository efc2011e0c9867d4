from email.message import EmailMessage

import pytest

from omnihub.connectors.email.parsing import ParsedMail, parse_mail
from omnihub.connectors.email.quotes import split

# name: the lines that announce the quote; the customer's words stand above, an old text below.
ANNOUNCED = {
    "gmail_en": "On Mon, Nov 16, 2026 at 3:04 PM Desk <desk@example.test> wrote:\n",
    "gmail_en_wrapped": "On Mon, Nov 16, 2026 at 3:04 PM Customer Service Desk\n<desk@example.test> wrote:\n",
    "gmail_zh": "客服 <desk@example.test> 于2026年11月16日周一 15:04写道：\n",
    "gmail_zh_wrapped": "客服 <desk@example.test> 于2026年11月16日周一\n下午3:04写道：\n",
    "gmail_zh_name_above": "客服中心 <desk@example.test>\n于2026年11月16日周一 下午3:04写道：\n",
    "gmail_tw": "客服 <desk@example.test> 於 2026年11月16日 週一 下午3:04寫道：\n",
    "apple_en": "On 16 Nov 2026, at 15:04, Desk <desk@example.test> wrote:\n",
    "apple_zh": "在 2026年11月16日，下午3:04，客服 <desk@example.test> 写道：\n",
    "apple_zh_no_space": "在2026年11月16日，15:04，客服 写道：\n",
    "outlook_en": "From: Desk <desk@example.test>\nSent: Monday, November 16, 2026\nTo: Zhang\nSubject: x\n",
    "outlook_en_ruled": "____________________\nFrom: Desk\nSent: Monday, November 16, 2026\nTo: Z\nSubject: x\n",
    "outlook_zh": "发件人: 客服 <desk@example.test>\n发送时间: 2026年11月16日 15:04\n收件人: 张三\n主题: 订单\n",
    "outlook_zh_original": "-----邮件原件-----\n发件人: 客服\n发送时间: 2026年11月16日\n收件人: 张三\n",
    "outlook_original": "-----Original Message-----\nFrom: Desk\n",
    "qq": '------------------ 原始邮件 ------------------\n发件人: "客服" <desk@example.test>;\n主题: 订单\n',
    "netease_zh": '在 2026-11-16 15:04:05，"客服" <desk@example.test> 写道：\n',
    "netease_at": 'At 2026-11-16 15:04:05, "Desk" <desk@example.test> wrote:\n',
    "netease_table": "---- 回复的原邮件 ----\n| 发件人 | 客服<desk@example.test> |\n| 日期 | 2026年11月16日 |\n",
    "foxmail": "发件人： 客服\n发送时间： 2026-11-16 15:04\n收件人： zhang\n抄送： li\n主题： Re: 订单\n",
    "foxmail_ruled": "________________\n\n发件人： 客服\n发送时间： 2026-11-16\n收件人： z\n主题： 订单\n",
    "our_line": "##- 请在此行以上回复 -##\n",
    "german": "Am 16.11.2026 um 15:04 schrieb Desk <desk@example.test>:\n",
    "german_gmail": "Am Mo., 16. Nov. 2026 um 15:04 Uhr schrieb Desk\n<desk@example.test>:\n",
    "german_outlook": "Von: Desk\nGesendet: Montag, 16. November 2026 15:04\nAn: Zhang\nBetreff: Auftrag\n",
    "german_original": "-----Ursprüngliche Nachricht-----\nVon: Desk\n",
    "french": "Le lun. 16 nov. 2026 à 15:04, Desk <desk@example.test> a écrit :\n",
    "french_outlook": "De : Desk\nEnvoyé : lundi 16 novembre 2026 15:04\nÀ : Zhang\nObjet : Commande\n",
    "french_original": "-----Message d'origine-----\nDe : Desk\n",
    "japanese_apple": "2026/11/16 15:04、Desk <desk@example.test>のメール:\n",
    "japanese_wrote": "2026年11月16日(月) 15:04 Desk <desk@example.test>:\n",
    "japanese_thunderbird": "On 2026/11/16 15:04, Desk さんは書きました:\n",
    "japanese_outlook": "差出人: Desk\n送信日時: 2026年11月16日 15:04\n宛先: Zhang\n件名: 注文\n",
    "japanese_original": "-----元のメッセージ-----\n差出人: Desk\n",
    "spanish": "El lun, 16 nov 2026 a las 15:04, Desk (<desk@example.test>) escribió:\n",
    "spanish_outlook": "De: Desk\nEnviado: lunes, 16 de noviembre de 2026 15:04\nPara: Zhang\nAsunto: Pedido\n",
    "spanish_original": "-----Mensaje original-----\nDe: Desk\n",
}
WORDS = "您好，我的订单还没到。\n\nPlease check again.\n张三"


@pytest.mark.parametrize("marked", ["", "> "], ids=["bare", "prefixed"])
@pytest.mark.parametrize("name", ANNOUNCED)
def test_announced_quote_is_set_apart(name: str, marked: str) -> None:
    quote = ANNOUNCED[name] + f"\n{marked}old words\n{marked}more old words"
    parts = split(f"{WORDS}\n\n{quote}", "Re: x")
    assert parts.visible == WORDS
    assert parts.quoted == quote


@pytest.mark.parametrize("name", ANNOUNCED)
def test_quote_alone_stays_visible(name: str) -> None:
    quote = ANNOUNCED[name] + "\nold words"
    assert split(quote, "Re: x").visible == quote


@pytest.mark.parametrize("name", [name for name in ANNOUNCED if name != "our_line"])
def test_apple_prefixes_the_announcement_too(name: str) -> None:
    quote = "\n".join(f"> {line}" for line in (ANNOUNCED[name] + "\nold words").split("\n"))
    parts = split(f"{WORDS}\n\n{quote}", "Re: x")
    assert (parts.visible, parts.quoted) == (WORDS, quote)


@pytest.mark.parametrize(
    "text",
    [
        "On Monday I wrote:\nplease refund me 20 euro",
        "I wrote: 3 times already\n\nNo answer.",
        "在周一我写道：\n请退款",
        "发件人：张三\n收件人：李四\n电话：123\n地址：上海",
        "From: Berlin\nTo: Munich\nDate: 16 Nov\nWhen is the next train?",
        "The result is\n> 5\nwhich is wrong",
        "--\n" + "\n".join(f"Item {n}" for n in range(8)),
        "Sent via DHL, it never came",
        "来自我的订单没有收到！",
        "Sent from my iPhone this order went wrong\nPlease help",
        "x -- y\n- one\n-- two",
        "----------\nheading\n----------\nwords",
        "Am Montag schrieb ich Ihnen:\nbitte antworten",
        "Le colis est arrivé. Il a écrit : non",
        "Am 16.11.2026 schrieb ich Ihnen:\nbitte antworten",
        "我于2026年11月写道：\n请退款",
        "On 16 November 2026 I wrote:\nplease answer",
    ],
)
def test_words_of_the_customer_stay_visible(text: str) -> None:
    assert split(text, "Re: x").visible == text


@pytest.mark.parametrize(
    "signature",
    [
        "-- \nZhang San\nShanghai",
        "--\nZhang San",
        "发自我的iPhone",
        "发自我的 iPhone",
        "Sent from my iPhone",
        "Get Outlook for iOS<https://aka.example.test/o>",
        "Von meinem iPhone gesendet",
        "Envoyé de mon iPhone",
        "Enviado desde mi iPhone",
        "iPhoneから送信",
        "发送自 Windows 10 版邮件应用",
        "发自网易邮箱大师",
    ],
)
@pytest.mark.parametrize(
    "below", ["", "\n\nOn 16 Nov 2026, at 15:04, Desk <d@example.test> wrote:\n> old\n> words"]
)
def test_signature_is_set_apart(signature: str, below: str) -> None:
    parts = split(f"{WORDS}\n\n{signature}{below}", "Re: x")
    assert (parts.visible, parts.signature) == (WORDS, signature)
    assert parts.quoted == f"{signature}{below}"


@pytest.mark.parametrize(
    "subject", ["Fwd: x", "FW: x", "转发：x", "轉寄: x", "WG: x", "TR : x", "RV: x", "[shop] Fwd: x"]
)
def test_forward_by_subject_is_shown_whole(subject: str) -> None:
    text = f"see below\n\n{ANNOUNCED['outlook_en']}\nthe forwarded words"
    assert split(text, subject).visible == text


@pytest.mark.parametrize(
    "marker",
    [
        "---------- Forwarded message ---------",
        "Begin forwarded message:",
        "-----转发邮件信息-----",
        "---- 转发的邮件 ----",
        "-------- Weitergeleitete Nachricht --------",
        "-------- Message transféré --------",
        "-------- Mensaje reenviado --------",
    ],
)
def test_forward_by_marker_is_shown_whole(marker: str) -> None:
    text = f"see below\n\n{marker}\n{ANNOUNCED['outlook_en']}\nthe forwarded words"
    assert split(text, "看看这个").visible == text


def test_answer_to_a_forward_is_cut() -> None:
    assert split(f"fine\n\n{ANNOUNCED['outlook_en']}\nold", "Re: Fwd: x").visible == "fine"


def test_answers_between_the_lines_show_everything() -> None:
    text = "Hello,\n\n> Which colour?\n> And size?\n\nBlue\n\n> When?\n> Where?\n\nTomorrow"
    parts = split(text, "Re: x")
    assert (parts.visible, parts.quoted) == (text, "")


def test_list_footer_below_the_quote_is_no_answer() -> None:
    text = f"fine\n\n{ANNOUNCED['gmail_en']}> old\n> words\n{'_' * 40}\nnews mailing list"
    assert split(text, "Re: x").visible == "fine"


def html_mail(html: str, text: str | None = None, subject: str = "Re: x") -> ParsedMail:
    mail = EmailMessage()
    mail["From"], mail["Subject"] = "z@example.test", subject
    if text is None:
        mail.set_content(html, subtype="html")
    else:
        mail.set_content(text)
        mail.add_alternative(html, subtype="html")
    return parse_mail(mail.as_bytes())


OLD = "<div>old words</div>"
HEADER_BLOCK = "<b>From:</b> Desk<br><b>Sent:</b> Monday<br><b>To:</b> Z<br><b>Subject:</b> Order<br><br>"
MARKED = {
    "gmail": '<div class="gmail_quote"><div class="gmail_attr">On Mon, 16 Nov 2026 Desk wrote:</div>'
    '<blockquote class="gmail_quote">old words</blockquote></div>',
    "netease": '<div id="isReplyContent">At 2026-11-16 15:04, "Desk" wrote:<br><div>old words</div></div>',
    "outlook_web": f'<div id="appendonsend"></div><hr><div id="divRplyFwdMsg">{HEADER_BLOCK}</div>{OLD}',
    "outlook_ids_prefixed": f'<hr><div id="x_divRplyFwdMsg">{HEADER_BLOCK}</div><div>old words</div>',
    "outlook_desktop": '<div><div style="border:none;border-top:solid #E1E1E1 1.0pt;padding:3.0pt 0cm 0cm 0cm">'
    f"<p>{HEADER_BLOCK}</p></div></div><p>old words</p>",
    "apple": f'<blockquote type="cite"><div>On 16 Nov 2026, at 15:04, Desk wrote:</div>{OLD}</blockquote>',
    "thunderbird": '<div class="moz-cite-prefix">Am 16.11.2026 um 15:04 schrieb Desk:<br></div>'
    '<blockquote type="cite"><p>old words</p></blockquote>',
    "qq": f"<div>-----------------&nbsp;原始邮件&nbsp;-----------------</div><div>发件人: x</div>{OLD}",
    "netease_pre": '<pre>At 2026-11-16 15:04:05, "Desk" &lt;d@example.test&gt; wrote:</pre>'
    f'<blockquote id="isReplyContent" style="BORDER-LEFT: #ccc 1px solid">{OLD}</blockquote>',
    "foxmail": '<div style="BORDER-TOP: #b5c4df 1pt solid"><div>发件人：&nbsp;x</div>'
    "<div>发送时间：&nbsp;2026-11-16</div>"
    "<div>收件人：&nbsp;z</div><div>主题：&nbsp;y</div></div><div>old words</div>",
    "yahoo": f'<div class="yahoo_quoted"><div>On Monday, November 16, 2026, Desk wrote:</div>{OLD}</div>',
}


@pytest.mark.parametrize("name", MARKED)
def test_html_quote_is_cut(name: str) -> None:
    mail = html_mail(f"<div>My <b>new</b> words</div>{MARKED[name]}")
    assert mail.visible_text == "My new words"
    assert "old words" in mail.quoted_text
    assert "new" in mail.visible_html
    assert "old words" not in mail.visible_html
    assert "old words" in mail.html


@pytest.mark.parametrize("name", ["gmail", "netease", "apple", "thunderbird", "yahoo"])
def test_html_words_below_the_quote_are_never_hidden(name: str) -> None:
    mail = html_mail(f"<div>Above</div>{MARKED[name]}<div>Below</div>")
    assert "Above" in mail.visible_text
    assert "Below" in mail.visible_text
    assert "Below" in mail.visible_html


def test_html_reply_below_the_quote() -> None:
    mail = html_mail(f"{MARKED['thunderbird']}<p>My answer</p>")
    assert mail.visible_text == "My answer"
    assert "old words" in mail.quoted_text


def test_html_gmail_forward_is_shown_whole() -> None:
    quoted = '<div class="gmail_quote">---------- Forwarded message ---------<br>From: x<br>the words</div>'
    mail = html_mail(f"<div>see</div>{quoted}", subject="look at this")
    assert "the words" in mail.visible_text
    assert "the words" in mail.visible_html


def test_quote_marked_only_in_html_is_found_in_the_plain_text() -> None:
    mail = html_mail(
        "<p>Short answer.</p><div class='gmail_quote'>old words</div>", "Short answer.\n\nold words\n"
    )
    assert (mail.visible_text, mail.quoted_text) == ("Short answer.", "old words")
