"""The simulated API: api.dingtalk.com with real statuses, oapi.dingtalk.com with errcode, sessions and files."""

import json
import struct
import uuid
import zlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from aiohttp import web

from omnihub.connectors.dingtalk.simulator_state import (
    CLIENT_ID,
    CLIENT_SECRET,
    GROUP_ID,
    State,
    Stored,
    group_people,
    staff_of,
)
from omnihub.connectors.simulation import Chats

Handler = Callable[[web.Request, Mapping[str, Any]], Awaitable[web.Response]]
_MEDIA_BYTES: Mapping[str, int] = {
    "image": 20_971_520,
    "voice": 2_097_152,
    "video": 20_971_520,
    "file": 20_971_520,
}
_SHOWN_AS: Mapping[str, str] = {"sampleImageMsg": "image", "sampleAudio": "voice", "sampleFile": "file"}
_MOST_USERS = 20
_TEXT_BYTES = 20_000


class Fault(Exception):
    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code = status, code


class SimulatedApi:
    def __init__(self, state: State, chats: Chats) -> None:
        self._state = state
        self._chats = chats

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/v1.0/oauth2/accessToken", self._token),
            web.post("/v1.0/robot/oToMessages/batchSend", self._modern(self._to_people)),
            web.post("/v1.0/robot/groupMessages/send", self._modern(self._to_group)),
            web.post("/v1.0/robot/messageFiles/download", self._modern(self._lend)),
            web.get("/lent/{code}/{name}", self._lent),
            web.post("/robot/sendBySession", self._into_session),
            web.post("/media/upload", self._upload),
            web.post("/topapi/v2/user/get", self._user),
            web.get("/avatar/{staff}.png", _avatar),
        ]

    # — api.dingtalk.com —

    async def _token(self, request: web.Request) -> web.Response:
        asked = await request.json()
        if asked.get("appKey") != CLIENT_ID or asked.get("appSecret") != CLIENT_SECRET:
            return _fault(400, "invalidClientIdOrSecret", "无效的clientId或者clientSecret")
        value, seconds = self._state.token()
        return web.json_response({"accessToken": value, "expireIn": seconds})

    def _modern(self, handler: Handler) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def answer(request: web.Request) -> web.Response:
            try:
                self._check_caller(request)
                asked = await _json(request)
                self._state.requests.append((request.path, asked))
                return await handler(request, asked)
            except Fault as fault:
                return _fault(fault.status, fault.code, str(fault))

        return answer

    def _check_caller(self, request: web.Request) -> None:
        token = request.headers.get("x-acs-dingtalk-access-token")
        if token is None:
            raise Fault(400, "AuthenticationFailed.MissingParameter", "缺少参数 x-acs-dingtalk-access-token")
        if not self._state.knows_token(token):
            raise Fault(400, "InvalidAuthentication", "不合法的access_token")
        if code := self._state.over_limit(request.path):
            raise Fault(403, code, "接口调用超过限制")

    async def _to_people(self, _: web.Request, asked: Mapping[str, Any]) -> web.Response:
        self._check_robot(asked)
        users = asked.get("userIds")
        if not isinstance(users, list) or not 1 <= len(users) <= _MOST_USERS:
            raise Fault(400, "invalidParameter.userIds.sizeInvalid", "userIds 数量不合法")
        shown = self._read(asked)
        known = {staff_of(person.id): person.id for person in reversed(self._chats.people)}
        invalid = [user for user in users if user not in known or user in self._state.outsiders]
        if len(invalid) == len(users):
            raise Fault(400, "staffId.notExisted", f"用户不存在: {','.join(map(str, invalid))}")
        slow = [user for user in users if user in self._state.flow_controlled]
        for user in users:
            if user not in invalid and user not in slow:
                await self._show([known[user]], shown)
        return web.json_response(
            {"processQueryKey": uuid.uuid4().hex, "invalidStaffIdList": invalid, "flowControlledStaffIdList": slow}
        )

    async def _to_group(self, _: web.Request, asked: Mapping[str, Any]) -> web.Response:
        self._check_robot(asked)
        if asked.get("openConversationId") != GROUP_ID:
            raise Fault(400, "group.disbanded", "群不存在或已解散")
        await self._show(group_people(self._chats), self._read(asked))
        return web.json_response({"processQueryKey": uuid.uuid4().hex})

    def _check_robot(self, asked: Mapping[str, Any]) -> None:
        if asked.get("robotCode") != self._state.robot_code:
            raise Fault(400, "robot.oto.notExist", "robot 不存在")

    def _read(self, asked: Mapping[str, Any]) -> Mapping[str, Any]:
        """What will be shown. The parameters must be JSON in a string, and whole."""
        key, param = str(asked.get("msgKey")), asked.get("msgParam")
        if not isinstance(param, str):
            raise Fault(400, "invalidParameter.msgParam.invalid", "msgParam 必须是 JSON 字符串")
        try:
            fields = json.loads(param)
        except ValueError:
            raise Fault(400, "invalidParameter.msgParam.invalid", "msgParam 不是合法的 JSON") from None
        if key == "sampleText":
            if not fields.get("content"):
                raise Fault(400, "invalidParameter.msgParam.invalid", "content 不能为空")
            return {"kind": "text", "text": fields["content"]}
        if key not in _SHOWN_AS:
            raise Fault(400, "invalidParameter.msgKey.invalid", f"msgKey 不支持: {key}")
        if key == "sampleAudio" and not str(fields.get("duration", "")).isdigit():
            raise Fault(400, "invalidParameter.msgParam.invalid", "duration 不合法")
        named = fields.get("photoURL") if key == "sampleImageMsg" else fields.get("mediaId")
        stored = self._state.media.get(str(named))
        if stored is None and key == "sampleImageMsg" and str(named).startswith("http"):
            return {"kind": "text", "text": f"[图片] {named}"}
        if stored is None:
            raise Fault(400, "invalidParameter.mediaId.invalid", "mediaId 不存在或已过期")
        return _as_shown(_SHOWN_AS[key], stored, str(fields.get("fileName") or stored.filename))

    async def _show(self, people: Sequence[str], shown: Mapping[str, Any]) -> None:
        for person in people:
            await self._chats.show(person, "desk", **shown)

    async def _lend(self, request: web.Request, asked: Mapping[str, Any]) -> web.Response:
        self._check_robot(asked)
        code = str(asked.get("downloadCode"))
        if code not in self._state.files:
            raise Fault(400, "invalidParameter.downloadCode.invalid", "downloadCode 无效或已过期")
        return web.json_response({"downloadUrl": f"http://{request.host}/lent/{code}/{uuid.uuid4().hex}.file"})

    async def _lent(self, request: web.Request) -> web.Response:
        stored = self._state.files.get(request.match_info["code"])
        if stored is None or stored.until <= self._state.now:
            return web.Response(status=403, text="<Error><Code>AccessDenied</Code></Error>")
        return web.Response(body=stored.content, content_type="application/octet-stream")

    # — oapi.dingtalk.com: HTTP 200 whatever happens —

    async def _into_session(self, request: web.Request) -> web.Response:
        session = self._state.sessions.get(request.query.get("session", ""))
        if session is None or session.until <= self._state.now:
            return web.json_response({"errcode": 300001, "errmsg": "session 不存在"})
        asked = await request.json()
        self._state.requests.append((request.path, asked))
        kind = str(asked.get("msgtype"))
        text = asked.get(kind, {}).get("content" if kind == "text" else "text", "")
        if kind not in ("text", "markdown") or not text:
            return web.json_response({"errcode": 400105, "errmsg": "unsupported msgtype"})
        if len(str(text).encode()) > _TEXT_BYTES:
            return web.json_response({"errcode": 460101, "errmsg": "message too long, exceed 20000 bytes"})
        mentioned = [str(one) for one in asked.get("at", {}).get("atUserIds") or () if one]
        names = "".join(f"@{self._name(one)} " for one in mentioned)
        await self._show(session.people, {"kind": "text", "text": f"{names}{text}"})
        return web.json_response({"errcode": 0, "errmsg": "ok"})

    async def _upload(self, request: web.Request) -> web.Response:
        if refused := self._classic_fault(request):
            return refused
        form = await request.post()
        kind, media = request.query.get("type") or str(form.get("type")), form.get("media")
        if kind not in _MEDIA_BYTES or not isinstance(media, web.FileField):
            return web.json_response({"errcode": 40035, "errmsg": "不合法的参数"})
        content = media.file.read()
        if not content or len(content) > _MEDIA_BYTES[kind]:
            return web.json_response({"errcode": 40006, "errmsg": "不合法的文件大小"})
        media_id = self._state.keep(self._state.media, content, media.filename, media.content_type, "@l")
        answer = {"errcode": 0, "errmsg": "ok", "media_id": media_id, "type": kind}
        return web.json_response(answer | {"created_at": round(self._state.now * 1000)})

    async def _user(self, request: web.Request) -> web.Response:
        if refused := self._classic_fault(request):
            return refused
        staff = str((await _json(request)).get("userid"))
        if staff in self._state.outsiders or not any(staff_of(p.id) == staff for p in self._chats.people):
            return web.json_response({"errcode": 60121, "errmsg": "找不到该用户", "request_id": uuid.uuid4().hex})
        result = {
            "userid": staff,
            "unionid": f"union-{staff}",
            "name": self._name(staff),
            "mobile": f"1380013{zlib.crc32(staff.encode()) % 10_000:04d}",
            "state_code": "86",
            "avatar": f"http://{request.host}/avatar/{staff}.png",
        }
        return web.json_response({"errcode": 0, "errmsg": "ok", "result": result, "request_id": uuid.uuid4().hex})

    def _classic_fault(self, request: web.Request) -> web.Response | None:
        if not self._state.knows_token(request.query.get("access_token", "")):
            fault = {
                "errcode": 88,
                "sub_code": "40014",
                "sub_msg": "不合法的access_token",
                "errmsg": "ding talk error",
            }
            return web.json_response(fault)
        if self._state.over_limit(request.path):
            return web.json_response(
                {"errcode": 90018, "errmsg": "您的服务器调用钉钉开放平台当前接口的所有请求都被暂时禁用了"}
            )
        return None

    def _name(self, staff: str) -> str:
        found = next((person.name for person in self._chats.people if staff_of(person.id) == staff), staff)
        return found.partition("（")[0]


def _as_shown(kind: str, stored: Stored, filename: str) -> Mapping[str, Any]:
    return {"kind": kind, "filename": filename, "content_type": stored.content_type, "media": stored.content}


async def _json(request: web.Request) -> Mapping[str, Any]:
    try:
        read = await request.json()
    except ValueError:
        read = None
    if not isinstance(read, dict):
        raise Fault(400, "InvalidParameter", "请求体不是合法的 JSON")
    return read


def _fault(status: int, code: str, message: str) -> web.Response:
    return web.json_response({"requestid": uuid.uuid4().hex, "code": code, "message": message}, status=status)


async def _avatar(request: web.Request) -> web.Response:
    """A picture of one colour, another for everybody."""
    colour = zlib.crc32(request.match_info["staff"].encode()).to_bytes(4, "big")[:3]
    rows = (b"\0" + colour * 48) * 48
    head = struct.pack(">IIBBBBB", 48, 48, 8, 2, 0, 0, 0)
    parts = ((b"IHDR", head), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    chunks = (struct.pack(">I", len(d)) + n + d + struct.pack(">I", zlib.crc32(n + d)) for n, d in parts)
    return web.Response(body=b"\x89PNG\r\n\x1a\n" + b"".join(chunks), content_type="image/png")
