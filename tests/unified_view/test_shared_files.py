"""What a stranger with the address of one file gets."""

from datetime import timedelta
from urllib.parse import urlsplit

import pytest

from omnihub.store.attachments import NewAttachment
from omnihub.store.database import now
from tests.unified_view.browser import Hub

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 64
HTML = b"<!doctype html><script>alert(1)</script>"


async def shared(hub: Hub, content: bytes, filename: str, content_type: str, days: float = 1) -> str:
    """The path of the link, as the customer's browser asks for it."""
    file = NewAttachment(id=f"f-{filename}", filename=filename, content_type=content_type, content=content)
    (ref,) = await hub.deps.store.attachments.store([file])
    url = hub.deps.store.file_links.url(ref["id"], filename, now(), timedelta(days=days))
    return urlsplit(url).path


async def test_a_picture_is_shown_and_nothing_runs(hub: Hub) -> None:
    visitor = hub.visitor()
    for content, name, declared, kind in (
        (PNG, "a.png", "image/png", "inline"),
        (HTML, "a.html", "text/html", "attachment"),
        (HTML, "a.svg", "image/svg+xml", "attachment"),
        (HTML, "手册 {1}.xml", "application/xhtml+xml", "attachment"),
    ):
        path = await shared(hub, content, name, declared)
        async with visitor.http.get(hub.server.make_url(path)) as answer:
            assert (answer.status, await answer.read()) == (200, content)
            assert answer.headers["Content-Disposition"].partition(";")[0] == kind
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert answer.headers["Content-Security-Policy"].startswith("sandbox")
            assert answer.headers["X-Robots-Tag"] == "noindex"


async def test_head_tells_the_size_and_leaves_the_connection_usable(hub: Hub) -> None:
    path = await shared(hub, PNG, "a.png", "image/png")
    visitor = hub.visitor()
    for _ in range(3):
        async with visitor.http.head(hub.server.make_url(path)) as answer:
            assert (answer.status, answer.headers["Content-Length"]) == (200, str(len(PNG)))
    headers = {"Range": "bytes=1-3"}
    async with visitor.http.get(hub.server.make_url(path), headers=headers) as answer:
        assert (answer.status, await answer.read()) == (206, b"PNG")


async def test_an_expired_link_says_so(hub: Hub) -> None:
    path = await shared(hub, PNG, "a.png", "image/png", days=-1)
    async with hub.visitor().http.get(hub.server.make_url(path)) as answer:
        assert (answer.status, await answer.text()) == (404, "this link has expired\n")


@pytest.mark.parametrize("token", ["AAAA", "%ff", "%00", "A" * 2000, "%E6%89%8B"])
async def test_a_made_up_one_leads_nowhere(hub: Hub, token: str) -> None:
    address = f"http://{hub.server.host}:{hub.server.port}/shared/{token}/a.png"
    async with hub.visitor().http.get(address) as answer:
        assert answer.status == 404
