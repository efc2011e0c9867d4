"""Twilio's REST API over the demo account, in its own shapes."""

import base64
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import urlencode

from aiohttp import web

from omnihub.connectors.sms.simulator_account import VERSION, ApiError, DemoTwilio, Record

_LARGEST_PAGE = 1000
_ROOT = f"/{VERSION}/Accounts"

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class DemoApi:
    """`taken` is called with each message that was created."""

    def __init__(self, twilio: DemoTwilio, taken: Callable[[Record], None]) -> None:
        self._twilio = twilio
        self._taken = taken

    def application(self) -> web.Application:
        @web.middleware
        async def in_twilios_words(request: web.Request, handler: Handler) -> web.StreamResponse:
            try:
                if not request.path.startswith("/cdn/"):
                    self._authorise(request)
                    self._twilio.count_call()
                return await handler(request)
            except ApiError as error:
                return web.json_response(error.body(), status=error.status)

        app = web.Application(middlewares=[in_twilios_words])
        account, message = f"{_ROOT}/{{account}}", f"{_ROOT}/{{account}}/Messages/{{sid}}"
        app.add_routes(
            [
                web.get(f"{account}.json", self.account),
                web.get(f"{account}/Messages.json", self.messages),
                web.post(f"{account}/Messages.json", self.create),
                web.get(f"{message}.json", self.message),
                web.get(f"{message}/Media.json", self.media_list),
                web.get(f"{message}/Media/{{media}}", self.media),
                web.get(f"{account}/IncomingPhoneNumbers.json", self.numbers),
                web.post(f"{account}/IncomingPhoneNumbers/{{number}}.json", self.change_number),
                web.get("/v1/Services/{service}", self.service),
                web.get("/cdn/{name}", self.stored),
            ]
        )
        return app

    def _authorise(self, request: web.Request) -> None:
        known = f"{self._twilio.account_sid}:{self._twilio.auth_token}".encode()
        if request.headers.get("Authorization", "") != f"Basic {base64.b64encode(known).decode()}":
            raise ApiError(401, 20003, "Authenticate")
        if request.match_info.get("account", self._twilio.account_sid) != self._twilio.account_sid:
            raise ApiError(404, 20404, f"The requested resource {request.path} was not found")

    async def account(self, request: web.Request) -> web.Response:
        sid = self._twilio.account_sid
        return web.json_response({"sid": sid, "friendly_name": "Demo", "status": "active", "type": "Full"})

    async def create(self, request: web.Request) -> web.Response:
        form = await request.post()
        fields = {name: value for name, value in form.items() if isinstance(value, str)}
        urls = [value for value in form.getall("MediaUrl", []) if isinstance(value, str)]
        record = self._twilio.create(fields, urls)
        answer = web.json_response(self._twilio.resource(record), status=201)
        self._taken(record)
        return answer

    async def message(self, request: web.Request) -> web.Response:
        return web.json_response(self._twilio.resource(self._twilio.find(request.match_info["sid"])))

    async def messages(self, request: web.Request) -> web.Response:
        query: Mapping[str, str] = request.query
        found = self._twilio.listed(query)
        size = min(int(query.get("PageSize", "50")), _LARGEST_PAGE)
        token = query.get("PageToken", "").removeprefix("PA")
        start = next((at + 1 for at, one in enumerate(found) if one.sid == token), 0)
        page = found[start : start + size]
        number = int(query.get("Page", "0"))
        following = None
        if page and start + size < len(found):
            more = {**query, "Page": str(number + 1), "PageToken": f"PA{page[-1].sid}"}
            following = f"{request.path}?{urlencode(more)}"
        body: dict[str, Any] = {
            "first_page_uri": f"{request.path}?PageSize={size}&Page=0",
            "next_page_uri": following,
            "previous_page_uri": None,
            "page": number,
            "page_size": size,
            "start": start,
            "end": start + len(page) - 1 if page else 0,
            "uri": request.path_qs,
            "messages": [self._twilio.resource(one) for one in page],
        }
        return web.json_response(body)

    async def media_list(self, request: web.Request) -> web.Response:
        record = self._twilio.find(request.match_info["sid"])
        found = [self._twilio.media_resource(record, one) for one in record.files]
        return web.json_response({"media_list": found, "next_page_uri": None, "page": 0, "page_size": 50})

    async def media(self, request: web.Request) -> web.Response:
        """With .json what is known of the file; without it the way to the store for pictures."""
        record = self._twilio.find(request.match_info["sid"])
        wanted = request.match_info["media"]
        file = next((one for one in record.files if one.sid == wanted.removesuffix(".json")), None)
        if file is None:
            raise ApiError(404, 20404, f"The requested resource {request.path} was not found")
        if wanted.endswith(".json"):
            return web.json_response(self._twilio.media_resource(record, file))
        raise web.HTTPTemporaryRedirect(f"/cdn/{self._twilio.store_name(file)}")

    async def stored(self, request: web.Request) -> web.Response:
        """Whoever knows the name may have it; whoever sends credentials along has been careless."""
        file = self._twilio.stored.get(request.match_info["name"])
        if file is None or "Authorization" in request.headers:
            return web.Response(status=403, text="AccessDenied")
        return web.Response(body=file.content, headers={"Content-Type": file.content_type})

    async def numbers(self, request: web.Request) -> web.Response:
        wanted = request.query.get("PhoneNumber", "")
        found = [n for n in self._twilio.numbers.values() if wanted in ("", n.number)]
        resources = [self._twilio.number_resource(one) for one in found]
        return web.json_response({"incoming_phone_numbers": resources, "next_page_uri": None, "page": 0})

    async def change_number(self, request: web.Request) -> web.Response:
        sid = request.match_info["number"]
        number = next((one for one in self._twilio.numbers.values() if one.sid == sid), None)
        if number is None:
            raise ApiError(404, 20404, f"The requested resource {request.path} was not found")
        form = await request.post()
        number.sms_url = str(form.get("SmsUrl", number.sms_url))
        number.sms_method = str(form.get("SmsMethod", number.sms_method))
        number.fallback_url = str(form.get("SmsFallbackUrl", number.fallback_url))
        return web.json_response(self._twilio.number_resource(number))

    async def service(self, request: web.Request) -> web.Response:
        sid = request.match_info["service"]
        if sid != self._twilio.service_sid:
            raise ApiError(404, 20404, f"The requested resource {request.path} was not found")
        body = {
            "sid": sid, "account_sid": self._twilio.account_sid, "friendly_name": "Demo service",
            "inbound_request_url": None, "inbound_method": "POST", "use_inbound_webhook_on_number": True,
        }  # fmt: skip
        return web.json_response(body)
