"""Calls to a provider's HTTP API, their failures named for what happens next."""

import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import orjson

from omnihub.model.errors import OmnihubError, Refused, TryLater, Uncertain

_ANSWER_BYTES = 4_194_304
_LARGE_BYTES = 1_000_000
_BINARY = "application/octet-stream"
# Nothing was handed over: no connection, no name, no TLS.
_NOT_REACHED = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)


@dataclass(slots=True, frozen=True, kw_only=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes
    url: str = ""

    def json(self) -> dict[str, Any]:
        """Raises ValueError where it is no JSON object."""
        read = orjson.loads(self.body)
        if not isinstance(read, dict):
            raise ValueError("the answer is not a JSON object")
        return read

    @property
    def content_type(self) -> str:
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def start(self) -> str:
        """For error messages."""
        return self.body[:200].decode("utf-8", "replace")


@dataclass(slots=True, frozen=True, kw_only=True)
class Call:
    """`handing_over`: this call sends something that must not be sent twice, so that silence after the
    connection means Uncertain and not TryLater. `json` is sent as raw UTF-8, never as \\u escapes."""

    method: str
    url: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    json: Any = None
    data: Any = None
    seconds: float = 15.0
    handing_over: bool = False
    max_bytes: int = _ANSWER_BYTES
    redirects: bool = False


async def ask(http: aiohttp.ClientSession, call: Call) -> Answer:
    """Whatever the status. Raises TryLater, Uncertain, or Refused for an answer beyond `max_bytes`.

    Addresses may hold tokens: no error repeats one, nor is chained to one that does."""
    headers = dict(call.headers)
    data = call.data
    if call.json is not None:
        data = orjson.dumps(call.json)
        headers.setdefault("Content-Type", "application/json")
    if isinstance(data, bytes) and len(data) > _LARGE_BYTES:
        # aiohttp warns of large bytes, which it would write in one go.
        data = aiohttp.BytesIOPayload(io.BytesIO(data), content_type=headers.get("Content-Type", _BINARY))
    timeout = aiohttp.ClientTimeout(total=call.seconds, sock_connect=min(10.0, call.seconds))
    try:
        async with http.request(
            call.method, call.url, params=dict(call.query) or None, headers=headers, data=data,
            timeout=timeout, allow_redirects=call.redirects,
        ) as response:  # fmt: skip
            body = await _within(response, call.max_bytes)
            named = {name.lower(): value for name, value in response.headers.items()}
            return Answer(status=response.status, headers=named, body=body, url=str(response.url))
    except _NOT_REACHED as error:
        raise TryLater(f"the provider cannot be reached: {_kind(error)}") from None
    except aiohttp.InvalidURL:
        raise Refused("the provider's address is not a web address") from None
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise _silence(call, error) from None


def _silence(call: Call, error: BaseException) -> OmnihubError:
    slow = isinstance(error, TimeoutError)
    words = f"the provider did not answer within {call.seconds:g} seconds" if slow else "the provider hung up"
    if call.handing_over:
        return Uncertain(f"{words}; it may have taken the message")
    return TryLater(words)


def _kind(error: BaseException) -> str:
    inner = getattr(error, "os_error", None)
    return str(inner.strerror or inner) if inner is not None else type(error).__name__


async def _within(response: aiohttp.ClientResponse, limit: int) -> bytes:
    if (response.content_length or 0) > limit:
        raise Refused(f"the provider's answer is larger than {limit} bytes")
    chunks: list[bytes] = []
    size = 0
    async for chunk in response.content.iter_chunked(65_536):
        size += len(chunk)
        if size > limit:
            raise Refused(f"the provider's answer is larger than {limit} bytes")
        chunks.append(chunk)
    return b"".join(chunks)
