"""The IMAP commands that need a mailbox: folders, and the mails of the selected one."""

import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from omnihub.connectors.email import simulator_imap_fetch as fetching
from omnihub.connectors.email.simulator_imap_grammar import BadCommand, Token, flags, string, text
from omnihub.connectors.email.simulator_imap_search import matching
from omnihub.connectors.email.simulator_imap_view import Refusal, View
from omnihub.connectors.email.simulator_store import FLAGS, SPECIAL, Mailbox, MailFolder, StoredMail

if TYPE_CHECKING:
    from omnihub.connectors.email.simulator_imap import ImapTalk

Handler = Callable[["ImapTalk", list[Token]], Awaitable[str]]
_KNOWN = {flag.lower(): flag for flag in FLAGS}


def _mailbox(talk: "ImapTalk") -> Mailbox:
    if talk.mailbox is None:
        raise Refusal("sign in first")
    return talk.mailbox


def _view(talk: "ImapTalk") -> View:
    if talk.view is None:
        raise BadCommand("select a folder first")
    return talk.view


def _folder(talk: "ImapTalk", words: list[Token], index: int = 0) -> MailFolder:
    name = _word(words, index)
    folder = _mailbox(talk).folder(name)
    if folder is None:
        raise Refusal(f"[TRYCREATE] there is no folder {name}")
    return folder


def _word(words: list[Token], index: int) -> str:
    if index >= len(words):
        raise BadCommand("words are missing")
    return text(words[index])


def _kept(token: Token) -> frozenset[str]:
    return frozenset(_KNOWN[name.lower()] for name in flags(token) if name.lower() in _KNOWN)


async def _list(talk: "ImapTalk", words: list[Token], answer: str = "LIST") -> str:
    plain: list[Token] = [word for word in words if not isinstance(word, list)]  # without RETURN options
    pattern = _word(plain, 0) + _word(plain, 1)
    if not pattern:
        talk.say(f'* {answer} (\\Noselect) "/" ""')
        return "done"
    wanted = re.compile(
        "".join({"*": ".*", "%": "[^/]*"}.get(char, re.escape(char)) for char in pattern), re.IGNORECASE
    )
    for name in _mailbox(talk).names():
        if wanted.fullmatch(name):
            marks = f"\\HasNoChildren {SPECIAL.get(name, '')}".strip()
            talk.say(f'* {answer} ({marks}) "/" '.encode() + string(name))
    return "done"


async def _lsub(talk: "ImapTalk", words: list[Token]) -> str:
    return await _list(talk, words, "LSUB")


async def _select(talk: "ImapTalk", words: list[Token], *, readonly: bool = False) -> str:
    talk.leave()
    folder = _folder(talk, words)
    view = talk.view = View(folder, readonly=readonly)
    known = " ".join(FLAGS)
    talk.say(f"* FLAGS ({known})")
    talk.say(f"* OK [PERMANENTFLAGS ({'' if readonly else known})] kept")
    talk.say(f"* {len(view.mails)} EXISTS")
    talk.say("* 0 RECENT")
    unseen = next((number for number, mail in enumerate(view.mails, 1) if "\\Seen" not in mail.flags), 0)
    if unseen:
        talk.say(f"* OK [UNSEEN {unseen}] the first unread one")
    talk.say(f"* OK [UIDVALIDITY {folder.uidvalidity}] valid")
    talk.say(f"* OK [UIDNEXT {folder.uidnext}] next")
    return "[READ-ONLY] opened" if readonly else "[READ-WRITE] opened"


async def _examine(talk: "ImapTalk", words: list[Token]) -> str:
    return await _select(talk, words, readonly=True)


async def _status(talk: "ImapTalk", words: list[Token]) -> str:
    folder = _folder(talk, words)
    values = {
        "MESSAGES": len(folder.mails),
        "RECENT": 0,
        "UIDNEXT": folder.uidnext,
        "UIDVALIDITY": folder.uidvalidity,
        "UNSEEN": sum("\\Seen" not in mail.flags for mail in folder.mails),
        "SIZE": sum(mail.size for mail in folder.mails),
    }
    asked = [name.upper() for name in flags(words[1])] if len(words) > 1 else []
    pairs = " ".join(f"{name} {values[name]}" for name in asked if name in values)
    talk.say(b"* STATUS " + string(folder.name) + f" ({pairs})".encode())
    return "done"


async def _create(talk: "ImapTalk", words: list[Token]) -> str:
    name = _word(words, 0).rstrip("/")
    if not name or len(name) > 100 or _mailbox(talk).folder(name):
        raise Refusal("[ALREADYEXISTS] this folder cannot be made")
    _mailbox(talk).create(name)
    return "created"


async def _delete(talk: "ImapTalk", words: list[Token]) -> str:
    if not _mailbox(talk).delete(_word(words, 0)):
        raise Refusal("[NONEXISTENT] this folder cannot be deleted")
    return "deleted"


async def _namespace(talk: "ImapTalk", words: list[Token]) -> str:
    talk.say('* NAMESPACE (("" "/")) NIL NIL')
    return "done"


async def _nothing(talk: "ImapTalk", words: list[Token]) -> str:
    return "done"


async def _append(talk: "ImapTalk", words: list[Token]) -> str:
    folder = _folder(talk, words)
    *between, raw = words[1:]
    if not isinstance(raw, bytes):
        raise BadCommand("APPEND needs a literal")
    kept = next((_kept(word) for word in between if isinstance(word, list)), frozenset())
    at = next((_moment(word) for word in between if isinstance(word, bytes)), None)
    mail = folder.add(raw, kept, at)
    return f"[APPENDUID {folder.uidvalidity} {mail.uid}] kept"


def _moment(word: bytes) -> datetime:
    try:
        return datetime.strptime(word.decode().strip(), "%d-%b-%Y %H:%M:%S %z").astimezone(UTC)
    except ValueError:
        raise BadCommand("this is no date") from None


async def _close(talk: "ImapTalk", words: list[Token]) -> str:
    view = _view(talk)
    if not view.readonly:
        _remove_deleted(view, None)
    talk.leave()
    return "closed"


async def _unselect(talk: "ImapTalk", words: list[Token]) -> str:
    _view(talk)
    talk.leave()
    return "closed"


async def _expunge(talk: "ImapTalk", words: list[Token]) -> str:
    view = _view(talk)
    view.writable()
    _remove_deleted(view, None)
    return "done"


def _remove_deleted(view: View, uids: str | None) -> None:
    spec = uids if uids is not None else "1:*"
    for _, mail in list(view.chosen(spec, by_uid=True)):
        if "\\Deleted" in mail.flags:
            view.folder.remove(mail)


async def _search(talk: "ImapTalk", words: list[Token], *, by_uid: bool = False) -> str:
    view = _view(talk)
    found = [index for index in matching(view.mails, words) if view.mails[index].path.exists()]
    values = [view.mails[index].uid if by_uid else index + 1 for index in found]
    talk.say(" ".join(["* SEARCH", *map(str, values)]))
    return "done"


async def _fetch(talk: "ImapTalk", words: list[Token], *, by_uid: bool = False) -> str:
    view = _view(talk)
    spec = _word(words, 0)
    if len(words) < 2:
        raise BadCommand("FETCH needs items")
    names = fetching.item_names(words[1])
    if by_uid and "UID" not in (name.upper() for name in names):
        names = ["UID", *names]
    marks = fetching.sets_seen(names) and not view.readonly
    for number, mail in view.chosen(spec, by_uid=by_uid):
        shown = names
        if marks and "\\Seen" not in mail.flags:
            view.folder.flag(mail, mail.flags | {"\\Seen"})
            view.heard(mail)
            shown = names if "FLAGS" in (name.upper() for name in names) else [*names, "FLAGS"]
        talk.say(f"* {number} FETCH ".encode() + fetching.answer(mail, shown))
    return "done"


_STORE: dict[str, Callable[[frozenset[str], frozenset[str]], frozenset[str]]] = {
    "FLAGS": lambda old, given: given,
    "+FLAGS": lambda old, given: old | given,
    "-FLAGS": lambda old, given: old - given,
}


async def _store(talk: "ImapTalk", words: list[Token], *, by_uid: bool = False) -> str:
    view = _view(talk)
    folder = view.writable()
    if len(words) < 3:
        raise BadCommand("STORE needs a set, an action and flags")
    action = text(words[1]).upper()
    change = _STORE.get(action.removesuffix(".SILENT"))
    if change is None:
        raise BadCommand(f"{action} cannot be stored")
    given = frozenset(flag for word in words[2:] for flag in _kept(word))
    for number, mail in list(view.chosen(_word(words, 0), by_uid=by_uid)):
        folder.flag(mail, change(mail.flags, given))
        view.heard(mail)
        if not action.endswith(".SILENT"):
            uid = f"UID {mail.uid} " if by_uid else ""
            talk.say(f"* {number} FETCH ({uid}FLAGS ({' '.join(sorted(mail.flags))}))")
    return "done"


def _copied(view: View, target: MailFolder, spec: str, *, by_uid: bool) -> tuple[list[StoredMail], str]:
    old = [mail for _, mail in view.chosen(spec, by_uid=by_uid)]
    new = [target.add(mail.raw(), mail.flags, mail.at) for mail in old]
    if not old:
        return old, ""
    from_uids, to_uids = (",".join(str(mail.uid) for mail in mails) for mails in (old, new))
    return old, f"[COPYUID {target.uidvalidity} {from_uids} {to_uids}]"


async def _copy(talk: "ImapTalk", words: list[Token], *, by_uid: bool = False) -> str:
    _, code = _copied(_view(talk), _folder(talk, words, 1), _word(words, 0), by_uid=by_uid)
    return f"{code} copied".strip()


async def _move(talk: "ImapTalk", words: list[Token], *, by_uid: bool = False) -> str:
    view = _view(talk)
    folder = view.writable()
    old, code = _copied(view, _folder(talk, words, 1), _word(words, 0), by_uid=by_uid)
    if code:
        talk.say(f"* OK {code} moved")
    for mail in old:
        folder.remove(mail)
    return "moved"


async def _uid(talk: "ImapTalk", words: list[Token]) -> str:
    name = _word(words, 0).upper()
    if name == "EXPUNGE":
        view = _view(talk)
        view.writable()
        _remove_deleted(view, _word(words, 1))
        return "done"
    handler = _BY_UID.get(name)
    if handler is None:
        raise BadCommand(f"there is no UID {name}")
    done: str = await handler(talk, words[1:], by_uid=True)
    return done


_BY_UID: dict[str, Callable[..., Any]] = {
    "SEARCH": _search,
    "FETCH": _fetch,
    "STORE": _store,
    "COPY": _copy,
    "MOVE": _move,
}
HANDLERS: dict[str, Handler] = {
    "LIST": _list, "LSUB": _lsub, "SELECT": _select, "EXAMINE": _examine, "STATUS": _status,
    "CREATE": _create, "DELETE": _delete, "SUBSCRIBE": _nothing, "UNSUBSCRIBE": _nothing,
    "NAMESPACE": _namespace, "ENABLE": _nothing, "APPEND": _append, "CHECK": _nothing, "CLOSE": _close,
    "UNSELECT": _unselect, "EXPUNGE": _expunge, "SEARCH": _search, "FETCH": _fetch, "STORE": _store,
    "COPY": _copy, "MOVE": _move, "UID": _uid,
}  # fmt: skip
