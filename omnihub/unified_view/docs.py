from collections.abc import Awaitable, Callable
from pathlib import Path

from aiohttp import web

_FOLDER = Path(__file__).parent / "docs_page"
_FILES = {"": "index.html", "/docs.js": "docs.js", "/docs.css": "docs.css"}


def docs_routes() -> list[web.RouteDef]:
    return [web.get(f"/api/docs{path}", _file(name)) for path, name in _FILES.items()]


def _file(name: str) -> Callable[[web.Request], Awaitable[web.FileResponse]]:
    async def answer(_: web.Request) -> web.FileResponse:
        return web.FileResponse(_FOLDER / name, headers={"Cache-Control": "no-cache"})

    return answer
