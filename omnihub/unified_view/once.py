import hashlib
from collections.abc import Awaitable, Callable

from aiohttp import web

from omnihub.store.sessions import answer_of
from omnihub.store.store import Store
from omnihub.unified_view.problems import Problem

_LONGEST_KEY = 255
# In the request: the key under which a handler binds what it makes.
ONCE = web.RequestKey("once", str)


async def once(
    store: Store,
    request: web.Request,
    caller_id: str,
    digest: str,
    work: Callable[[], Awaitable[tuple[int, bytes]]],
) -> tuple[int, bytes, bool]:
    """Status, body, and whether it is the first call's answer again. Without an Idempotency-Key it just works.

    What was answered is kept sealed: among it are passwords and tokens that are shown this once."""
    given = request.headers.get("Idempotency-Key", "")
    if not given:
        return *(await work()), False
    if len(given) > _LONGEST_KEY:
        raise Problem("invalid", fields={"Idempotency-Key": f"≤ {_LONGEST_KEY}"})
    key = hashlib.sha256("\0".join((caller_id, request.method, request.path, given)).encode()).hexdigest()
    kept = await store.sessions.begin_once(key, digest)
    if kept is not None:
        return *_kept(store, kept, digest), True
    try:
        request[ONCE] = key
        status, body = await work()
    except BaseException:
        await store.sessions.forget_once(key)
        raise
    await store.sessions.finish_once(key, status, store.vault.seal(body.decode()).encode())
    return status, body, False


def _kept(store: Store, kept: dict[str, object], digest: str) -> tuple[int, bytes]:
    if kept["digest"] != digest:
        raise Problem("key_reused")
    if "status" not in kept:
        raise Problem("in_progress", headers={"Retry-After": "1"})
    status, sealed = answer_of(kept)
    return status, store.vault.open(sealed.decode()).encode()
