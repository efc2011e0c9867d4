from pathlib import Path

from aiohttp import web

STATIC = Path(__file__).parent / "static"
# Vite puts a hash of the content into these names, so that they never change.
_IMMUTABLE = "assets/"
_FOR_EVER = "public, max-age=31536000, immutable"
_NO_PAGES = ("/api/", "/in/", "/demo/", "/healthz", "/readyz", "/metrics")
_UNBUILT = """<!doctype html><html lang="en"><meta charset="utf-8"><title>omnihub</title>
<body style="font:16px/1.6 system-ui;max-width:36rem;margin:4rem auto;padding:0 1rem">
<h1>The web app is not built yet</h1><p>Run <code>make web</code>, then reload. The API is at work:
<a href="/api/docs">/api/docs</a>.</p>
<h1 lang="zh-CN">网页端尚未构建</h1><p lang="zh-CN">请运行 <code>make web</code> 后刷新页面。API 已可使用：
<a href="/api/docs">/api/docs</a>。</p></body></html>"""


class Site:
    """The built web app: its files, and index.html for every address that only its own router knows."""

    def __init__(self, root: Path = STATIC) -> None:
        self._root = root.resolve()

    async def page(self, request: web.Request) -> web.StreamResponse | None:
        """None where this is no page of ours."""
        path = request.path
        if request.method not in ("GET", "HEAD") or path == "/api" or path.startswith(_NO_PAGES):
            return None
        name = path.lstrip("/")
        file = self._file(name)
        if file is not None:
            return self._answer(file, _FOR_EVER if name.startswith(_IMMUTABLE) else "no-cache")
        if name.startswith(_IMMUTABLE):
            return None
        index = self._file("index.html")
        if index is None:
            return web.Response(text=_UNBUILT, content_type="text/html", status=503)
        return self._answer(index, "no-cache")

    def _file(self, name: str) -> Path | None:
        if not name or "\0" in name:
            return None
        try:
            file = (self._root / name).resolve()
            return file if file.is_relative_to(self._root) and file.is_file() else None
        except OSError:  # a name that no file can have
            return None

    def _answer(self, file: Path, caching: str) -> web.FileResponse:
        return web.FileResponse(file, headers={"Cache-Control": caching})
