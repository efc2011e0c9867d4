import re
from collections.abc import Iterable, Sequence

from omnihub.model.outgoing import Outgoing

_MARK = "oh."
_TOKEN = re.compile(r"[A-Za-z0-9_.=-]{1,200}")
_ID = re.compile(r"[!-;=?-~]{1,900}")  # printable ASCII but < and >


def make(message: Outgoing, domain: str) -> str:
    """`oh.<token>.<message id>@domain`, so that an answer's In-Reply-To brings the token back."""
    token = f"{message.token}." if carries(message.token) else ""
    return f"{_MARK}{token}{message.id}@{domain}"


def carries(token: str) -> bool:
    """Whether the token can stand in an address and in a Message-ID as it is."""
    return bool(_TOKEN.fullmatch(token)) and not token.startswith(".") and ".." not in token + "."


def token_in(message_id: str) -> str:
    local = message_id.rpartition("@")[0]
    return local.removeprefix(_MARK).rpartition(".")[0] if local.startswith(_MARK) else ""


def tokens_in_addresses(addresses: Iterable[str], own: Iterable[str]) -> list[str]:
    """What stands behind the + where the rest of the address is ours."""
    mine = frozenset(own)
    found = []
    for address in addresses:
        local, _, domain = address.rpartition("@")
        base, plus, token = local.partition("+")
        if plus and token and address.lower() not in mine and f"{base}@{domain}".lower() in mine:
            found.append(token)
    return found


def bounded(references: Sequence[str], limit: int) -> tuple[str, ...]:
    """The oldest and the newest of them; ids that cannot stand in a header are left out."""
    clean = [value for reference in reversed(references) if _ID.fullmatch(value := reference.strip("<> "))]
    ordered = list(dict.fromkeys(clean))[::-1]  # of a repeated id the newest place counts
    return tuple(ordered if len(ordered) <= limit else ordered[:1] + ordered[1 - limit :])
