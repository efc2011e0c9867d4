import secrets

import orjson
from aiohttp import web


class ApiFault(Exception):
    """An answer in the platform's shape: HTTP 200, `errcode`, and words with a `rid` behind them."""

    def __init__(self, code: int, words: str) -> None:
        super().__init__(f"{code} {words}")
        self.code = code
        self.words = words

    def response(self) -> web.Response:
        return answer({"errcode": self.code, "errmsg": f"{self.words} rid: {rid()}"})


def rid() -> str:
    return f"{secrets.token_hex(4)}-{secrets.token_hex(4)}-{secrets.token_hex(4)}"


def answer(body: dict[str, object]) -> web.Response:
    return web.Response(body=orjson.dumps(body), content_type="application/json", charset="utf-8")


OK: dict[str, object] = {"errcode": 0, "errmsg": "ok"}
