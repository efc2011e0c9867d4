"""How mail programs of the world announce what they quote. Tables only; `quotes` applies them.

The Chinese, Japanese and European forms follow what the programs write in their interface language;
dates in examples are invented."""

import re


def _any(*alternatives: str) -> str:
    return "(?:" + "|".join(alternatives) + ")"


_I = re.IGNORECASE
_DATE = r"(?=.*\d)"
# What makes an attribution trustworthy even when no `>` follows: a date with its time, or an address.
CERTAIN = re.compile(
    r"(?=.*(?:(?<!\d)(?:19|20)\d\d|\d[./-]\d))(?=.*\d\s?[:：h時时点]\s?\d\d)|.*\S@\S{1,200}\.\w", re.IGNORECASE
)

# An attribution ends a line with one of these; looked for first, because it is cheap.
ATTRIBUTION_END = re.compile(
    _any(
        r"wrote\s*[:：]",
        r"写道\s*[:：]?",
        r"寫道\s*[:：]?",
        r"写到\s*[:：]",
        r"寫到\s*[:：]",
        r"schrieb.{0,120}[:：]",
        r"geschrieben\s*[:：]",
        r"a\s+écrit\s*[:：]",
        r"escribió\s*[:：]",
        r"書きました\s*[:：]",
        r"のメール\s*[:：]?",
        r"さんは書きました\s*[:：]",
        r"ha\s+scritto\s*[:：]",
        r"escreveu\s*[:：]",
        r"schreef.{0,120}[:：]",
        r"написал\(?а?\)?\s*[:：]",
        r"님이\s*작성\s*[:：]",
        r"<?\S+@\S+>?\s*[:：]",
    )
    + r"\s*$",
    _I,
)

# Matched against one to four lines joined by spaces, from the first letter to the last.
ATTRIBUTIONS = tuple(
    re.compile(rf"\s*{_DATE}{body}\s*$", _I)
    for body in (
        r"On\s.{4,300}\swrote\s*[:：]",
        r"At\s\d.{4,300}\swrote\s*[:：]",
        r"(?:\S.{0,100})?[在于於]\s*\d{4}\s*[-/.年].{1,300}[写寫][道到]\s*[:：]?",
        r"在\s*.{1,20}\d{4}.{1,300}[写寫][道到]\s*[:：]?",
        r"\d{4}\s*[-/年].{4,200}[写寫][道到]\s*[:：]",
        r"Am\s.{4,300}\s(?:schrieb|geschrieben).{0,200}[:：]",
        r"Le\s.{4,300}\sa\s+écrit\s*[:：]",
        r"El\s.{4,300}\sescribió\s*[:：]",
        r"\d{4}\s*[-/年].{4,200}(?:のメール\s*[:：]?|書きました\s*[:：])",
        r".{4,200}(?:さん)?は.{0,40}書きました\s*[:：]",
        r"\d{4}\s*年\s*\d{1,2}\s*月\s*\d{1,2}\s*日.{0,100}<?\S+@\S+>?\s*[:：]",
        r"Il\s.{4,300}\sha\s+scritto\s*[:：]",
        r"Em\s.{4,300}\sescreveu\s*[:：]",
        r"Op\s.{4,300}\sschreef.{0,200}[:：]",
        r"\d{1,2}[.\s].{4,200}(?:написал\(?а?\)?)\s*[:：]",
        r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}.{1,100}<\S+@\S+>\s*[:：]",
    )
)

_ORIGINAL = _any(
    r"Original",
    r"Original Message",
    r"Original E-?mail",
    r"Reply message",
    r"Replied Message",
    r"原始邮件",
    r"邮件原件",
    r"回复的原邮件",
    r"原邮件",
    r"原始信息",
    r"原始郵件",
    r"原始訊息",
    r"回复邮件",
    r"答复邮件",
    r"Ursprüngliche Nachricht",
    r"Urspr\. Nachricht",
    r"Originalnachricht",
    r"Original-?Nachricht",
    r"Message d['’]origine",
    r"Message original",
    r"Courriel original",
    r"Mensaje original",
    r"元のメッセージ",
    r"元のメール",
    r"Messaggio originale",
    r"Mensagem original",
    r"Oorspronkelijk bericht",
    r"Исходное сообщение",
    r"원본 메시지",
)
SEPARATOR = re.compile(rf"^[\s>*]*[-_=－—]{{2,}}\s*{_ORIGINAL}\s*[:：]?\s*[-_=－—]{{2,}}\s*$", _I)
OUR_LINE = re.compile(r"##-.{0,200}-##")

FORWARD = re.compile(
    r"^[\s>*]*(?:[-_=－—]{2,}\s*"
    + _any(
        r"Forwarded message.{0,80}",
        r"Forwarded by.{0,80}",
        r"转发邮件.{0,20}",
        r"转发的邮件",
        r"已转发邮件",
        r"轉寄郵件",
        r"轉寄的郵件",
        r"已轉寄的郵件",
        r"转发的消息",
        r"Weitergeleitete Nachricht.{0,60}",
        r"Message transféré",
        r"Mensaje reenviado",
        r"転送メッセージ",
        r"転送されたメッセージ",
        r"Messaggio inoltrato",
        r"Mensagem encaminhada",
        r"Doorgestuurd bericht",
    )
    + r"\s*[-_=－—]{2,}|"
    + _any(
        r"Begin forwarded message\s*[:：]",
        r"下面是被转发的邮件\s*[:：]",
        r"以下是转发的邮件\s*[:：]",
        r"开始转发的邮件\s*[:：]",
        r"開始轉寄郵件\s*[:：]",
        r"Anfang der weitergeleiteten Nachricht\s*[:：]",
        r"Début du message (?:réexpédié|transféré)\s*[:：]",
        r"Inicio del mensaje reenviado\s*[:：]",
        r"転送されたメッセージ\s*[:：]",
    )
    + r")\s*$",
    _I,
)
# The first mark in the subject tells: `Re: Fwd: x` answers, `Fwd: Re: x` forwards.
FORWARD_SUBJECT = re.compile(
    r"^\s*(?:\[[^\]]{0,60}\]\s*)?(?:fwd?|转发|轉寄|轉發|wg|weitergeleitet|tr|rv|enc|i|転送|fs)\s*[:：]", _I
)

# Labels of the address block that Outlook, QQ, Foxmail, 163 and Apple put above a quote.
_LABELS = {
    "from": (r"From|发件人|寄件者|寄件人|發件人|Von|De|Da|Van|差出人|От|보낸 사람|Remitente|Expéditeur"),
    "date": (
        r"Sent|Date|发送时间|发送日期|日期|时间|寄件日期|傳送時間|傳送日期|日時|送信日時|"
        r"Gesendet|Datum|Envoyé|Date d['’]envoi|Enviado(?: el)?|Enviada(?: em)?|"
        r"Fecha|Inviato|Data|Verzonden|Отправлено|날짜|보낸 날짜"
    ),
    "to": (r"To|收件人|收件者|An|À|A|Para|宛先|Naar|Aan|Кому|받는 사람|Destinataire"),
    "cc": (
        r"Cc|抄\s*送|副本|Kopie|Copie(?: à)?|CC|Копия|Bcc|密送|参照|Reply-To|回复给|Priority|重要性|Importance"
    ),
    "subject": (r"Subject|主\s*题|主題|主旨|标题|Betreff|Objet|Asunto|件名|Oggetto|Assunto|Onderwerp|Тема|제목"),
}
HEADER_LINES = tuple(
    (kind, re.compile(rf"^[\s>|*]*(?:{labels})[\s*|]*[:：|][\s*]*", _I)) for kind, labels in _LABELS.items()
)
HEADER_START = HEADER_LINES[0][1]
DIVIDER = re.compile(r"^[\s>]*[-_=*－—]{3,}\s*$")
LIST_FOOTER = re.compile(r"^\s*_{20,}\s*$")

SIGNATURE = re.compile(r"^--[ \xa0]?$")
EXACT_SIGNATURE = "-- "
_DEVICE = r"(?:iP(?:hone|ad|od)|Android|Outlook|Windows|Galaxy|スマートフォン|携帯|ドコモ)"
MOBILE = re.compile(
    r"^[\s>]*"
    + _any(
        r"Sent from (?:my|Mail|Outlook|Yahoo|Samsung|Gmail|iPhone|Proton|Windows|a mobile|Spark).{0,50}",
        r"Sent (?:with|via|using) (?:Proton|Outlook|Spark|Canary|BlueMail|Superhuman|Mailspring|my ).{0,50}",
        r"Get Outlook for \S.{0,60}",
        r"[发發来來]?自我的[^。！？，,!?]{2,30}",
        r"发自(?:网易|QQ|新浪|华为|小米|阿里|iPhone|iPad|Outlook)[^。！？]{0,40}",
        r"[发發]送自\s?\S[^。！？]{1,50}",
        r"[傳传]送自\s?\S[^。！？]{1,40}",
        r"[從从]我的\s?\S{2,30}\s?[傳传发發]送.{0,10}",
        r"从\s?\S{2,30}\s?获取\s?Outlook.{0,40}",
        r"获取.{0,20}Outlook.{0,60}",
        r"从网易邮箱大师发来的?.{0,20}",
        r"Von meinem .{2,40} gesendet.{0,20}",
        r"Gesendet (?:von|mit) (?:meinem|Mail|Outlook|der|Yahoo|GMX|WEB).{0,50}",
        r"Diese Nachricht wurde von meinem .{2,60} gesendet.?",
        r"Envoyé (?:de mon|depuis mon|depuis l['’]app|à partir de|depuis Outlook|depuis Yahoo).{0,50}",
        r"Enviado (?:desde|de|do) (?:mi|meu|Outlook|Correo|Yahoo|E-?mail).{0,50}",
        r"(?:Outlook (?:für|pour|para) |Obtener Outlook para ).{2,40}",
        rf".{{0,10}}{_DEVICE}\s?から送信(?:されました|しました)?。?",
        r"Inviato da(?:l mio| iPhone| Outlook| Posta).{0,50}",
        r"Verstuurd vanaf mijn .{2,40}",
        r"Отправлено с (?:iPhone|iPad).{0,30}",
    )
    + r"\s*$",
    _I,
)

# (tag or '', attribute, pattern, encloses): elements whose start is the start of the quoted part. One that
# encloses the quote ends with it; the others only stand at its head.
HTML_MARKERS = tuple(
    (tag, name, re.compile(pattern, _I), encloses)
    for tag, name, pattern, encloses in (
        ("", "class", r"(?:^|\s)(?:gmail_quote|gmail_quote_container|protonmail_quote)(?:\s|$)", True),
        ("", "class", r"(?:^|\s)(?:yahoo_quoted|ydp\w*yahoo_quoted|tutanota_quote|zmail_extra)(?:\s|$)", True),
        ("", "class", r"(?:^|\s)moz-cite-prefix(?:\s|$)", False),
        ("", "class", r"(?:^|\s)ntes-mailmaster-quote(?:\s|$)", True),  # 163's phone program
        ("", "id", r"^(?:x_)*(?:isReplyContent|ntes-pcmac-quote|ntes-pcmail-quote|yahoo_quoted_\d+)$", True),
        ("", "id", r"^(?:x_)*(?:divRplyFwdMsg|appendonsend|reply-intro)$", False),
        ("", "id", r"^(?:x_)*mail-editor-reference-message-container$", True),  # Outlook's new program
        ("", "name", r"^(?:x_)*(?:quote|messageReplySection)$", True),
        ("blockquote", "type", r"^cite$", True),
        # Outlook's desktop program and Foxmail mark nothing; their ruled block above From, Sent, To is constant.
        ("div", "style", r"border:\s*none;\s*border-top:\s*solid #(?:E1E1E1|B5C4DF) 1\.0pt", False),
    )
)
