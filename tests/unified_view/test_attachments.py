import io
from dataclasses import replace

import aiohttp

from omnihub.settings import Settings
from omnihub.unified_view.deps import Deps
from omnihub.unified_view.files import disposition, safe_filename
from tests.unified_view.browser import Answer, Browser
from tests.unified_view.conftest import StartHub

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 64
HTML = b"<!doctype html><script>alert(1)</script>"


async def upload(browser: Browser, content: bytes, filename: str, content_type: str, **headers: str) -> Answer:
    form = aiohttp.FormData(quote_fields=False)
    form.add_field("file", io.BytesIO(content), filename=filename, content_type=content_type)
    url = browser.hub.server.make_url("/api/v1/attachments")
    async with browser.http.post(url, data=form, headers={"X-CSRF-Token": browser.csrf, **headers}) as response:
        return Answer(response.status, response.headers, await response.read())


async def test_a_file_comes_back_as_it_was(agent: Browser) -> None:
    ref = (await upload(agent, PNG, "Foto für Lin.png", "application/octet-stream")).json
    assert ref["content_type"] == "image/png"
    assert ref["size"] == len(PNG)
    answer = await agent.get(f"/attachments/{ref['id']}?name=x")
    assert answer.content == PNG
    assert answer.headers["Content-Type"] == "image/png"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Security-Policy"].startswith("sandbox")
    assert answer.headers["Content-Disposition"].startswith("attachment;")
    assert "filename*=UTF-8''Foto%20f%C3%BCr%20Lin.png" in answer.headers["Content-Disposition"]
    known = await agent.get(f"/attachments/{ref['id']}", headers={"If-None-Match": answer.headers["ETag"]})
    assert (known.status, known.content) == (304, b"")


async def test_only_pictures_sound_and_video_are_shown_in_place(agent: Browser) -> None:
    shown = {}
    for content, name, declared in (
        (PNG, "a.png", "text/html"),
        (HTML, "a.html", "text/html"),
        (HTML, "a.png", "image/svg+xml"),
        (b"%PDF-1.7\n", "a.pdf", "application/pdf"),
    ):
        ref = (await upload(agent, content, name, declared)).json
        answer = await agent.get(f"/attachments/{ref['id']}?inline=1")
        shown[ref["content_type"]] = answer.headers["Content-Disposition"].partition(";")[0]
    assert shown == {
        "image/png": "inline",
        "text/html": "attachment",
        "image/svg+xml": "attachment",
        "application/pdf": "attachment",
    }


async def test_a_part_of_a_large_file(agent: Browser) -> None:
    content = bytes(range(256)) * 4096
    ref = (await upload(agent, content, "film.bin", "application/octet-stream")).json
    for asked, start, end in (
        ("bytes=0-9", 0, 10),
        ("bytes=500000-600000", 500_000, 600_001),
        ("bytes=-5", len(content) - 5, len(content)),
        ("bytes=1048000-", 1_048_000, len(content)),
    ):
        part = await agent.get(f"/attachments/{ref['id']}", headers={"Range": asked})
        assert part.status == 206
        assert part.content == content[start:end]
        assert part.headers["Content-Range"] == f"bytes {start}-{end - 1}/{len(content)}"
    beyond = await agent.get(f"/attachments/{ref['id']}", headers={"Range": "bytes=9999999-"})
    assert (beyond.status, beyond.problem["code"]) == (416, "bad_range")
    several = await agent.get(f"/attachments/{ref['id']}", headers={"Range": "bytes=0-1,4-5"})
    assert (several.status, len(several.content)) == (200, len(content))


async def test_too_large_a_file_is_refused(start: StartHub, deps: Deps, settings: Settings) -> None:
    limit = 2_097_152
    storage = settings.storage.model_copy(update={"attachment_limit_bytes": limit})
    hub = await start(replace(deps, settings=settings.model_copy(update={"storage": storage})))
    agent = await hub.browser()
    answer = await upload(agent, b"x" * 10, "a.bin", "text/plain")
    assert answer.status == 201
    url = agent.hub.server.make_url("/api/v1/attachments")
    headers = {"X-CSRF-Token": agent.csrf, "Content-Type": "multipart/form-data; boundary=b"}
    head = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'

    async def endless():  # type: ignore[no-untyped-def]
        yield head
        for _ in range(limit // 1_048_576 + 2):
            yield b"x" * 1_048_576

    try:
        async with agent.http.post(url, data=endless(), headers=headers) as response:
            status = response.status
    except aiohttp.ClientConnectionError:
        status = 413
    assert status == 413


async def test_broken_uploads_are_refused(agent: Browser) -> None:
    url = agent.hub.server.make_url("/api/v1/attachments")
    multipart = "multipart/form-data; boundary=b"
    for body, content_type in (
        (b"", multipart),
        (b"--b--\r\n", multipart),
        (b"no boundary at all", multipart),
        (b'--b\r\nContent-Disposition: form-data; name="other"\r\n\r\nx\r\n--b--\r\n', multipart),
        (b'--b\r\nContent-Disposition: form-data; name="file"\r\n\r\nhalf a file', multipart),
        (b'--b\r\nContent-Disposition: form-data; name="file"', multipart),
        (b"x", "multipart/form-data"),
        (b"x", "text/plain"),
    ):
        headers = {"X-CSRF-Token": agent.csrf, "Content-Type": content_type}
        async with agent.http.post(url, data=io.BytesIO(body), headers=headers) as response:
            assert 400 <= response.status < 500, (body, content_type)
            assert response.content_type == "application/problem+json"


async def test_an_upload_is_repeated_harmlessly(agent: Browser) -> None:
    key = {"Idempotency-Key": "upload"}
    first = await upload(agent, PNG, "a.png", "image/png", **key)
    again = await upload(agent, PNG, "a.png", "image/png", **key)
    assert again.json == first.json
    other = await upload(agent, PNG + b"x", "a.png", "image/png", **key)
    assert other.json["code"] == "key_reused"


HOSTILE_NAMES = {
    "../../etc/passwd": "passwd",
    "C:\\fakepath\\rechnung.pdf": "rechnung.pdf",
    "a\r\nSet-Cookie: x=1.txt": "a__Set-Cookie_ x=1.txt",
    'quote".txt': "quote_.txt",
    "rechnung\u202egnp.exe": "rechnung_gnp.exe",
    "..": "file",
    "": "file",
    " .hidden. ": "hidden",
    "发票.pdf": "发票.pdf",
    "x" * 500 + ".pdf": "x" * 176 + ".pdf",
}


async def test_hostile_names_become_harmless() -> None:
    for given, safe in HOSTILE_NAMES.items():
        assert safe_filename(given) == safe
        header = disposition("attachment", given)
        assert header.isascii()
        assert not set(header) & set("\r\n\0")
    assert disposition("attachment", "发票.pdf") == (
        "attachment; filename=\".pdf\"; filename*=UTF-8''%E5%8F%91%E7%A5%A8.pdf"
    )


async def test_a_hostile_name_and_type_survive_the_way_through(agent: Browser) -> None:
    body = (
        b'--b\r\nContent-Disposition: form-data; name="file"; filename="../..\\evil\xe2\x80\xae\xff.html"\r\n'
        b"Content-Type: text/html; charset=\xffx\r\n\r\nx\r\n--b--\r\n"
    )
    headers = {"X-CSRF-Token": agent.csrf, "Content-Type": "multipart/form-data; boundary=b"}
    url = agent.hub.server.make_url("/api/v1/attachments")
    async with agent.http.post(url, data=io.BytesIO(body), headers=headers) as response:
        ref = await response.json()
    assert (ref["filename"], ref["content_type"]) == ("evil__.html", "text/html")
    answer = await agent.get(f"/attachments/{ref['id']}?inline=1")
    assert answer.headers["Content-Disposition"].startswith("attachment;")
