"""Files that go out as a link: whoever has the address may fetch that one file until it expires."""

from collections.abc import Sequence

from aiohttp import web

from omnihub.model.errors import NotFound
from omnihub.store.database import now
from omnihub.unified_view import files
from omnihub.unified_view.deps import Deps


def routes(deps: Deps) -> Sequence[web.RouteDef]:
    async def fetch(request: web.Request) -> web.StreamResponse:
        try:
            attachment_id = deps.store.file_links.read(request.match_info["token"], now())
            ref, digest = await deps.store.attachments.find(attachment_id)
        except NotFound as error:
            return web.Response(status=404, text=f"{error}\n")
        return await files.attachment(deps.store, request, ref, digest, inline=True, listed=False)

    return [web.get("/shared/{token}/{filename:.*}", fetch)]
