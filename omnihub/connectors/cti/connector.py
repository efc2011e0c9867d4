import hmac
import ipaddress
from base64 import b64decode
from collections.abc import Sequence
from urllib.parse import urlsplit

import orjson

from omnihub.connectors.contract import BaseConnector, Finding
from omnihub.connectors.cti import contract, parsing
from omnihub.connectors.cti.parsing import Reader
from omnihub.connectors.cti.settings import Settings
from omnihub.model.errors import NotFound, Unreadable, Unverified
from omnihub.model.inbound import Inbound
from omnihub.model.raw import RawEvent, RawRequest, Reply

SECRET_HEADER = "x-omnihub-secret"


class Connector(BaseConnector[Settings]):
    """One phone system. The token of the contract is the account's key in the address."""

    settings_type = Settings

    @property
    def door(self) -> str:
        return f"{self.toolbox.public_url}/in/cti/{self.account.key}"

    def verify(self, request: RawRequest) -> None:
        if request.tail.strip("/"):
            raise NotFound("there is nothing at this address")
        if not self._is_from_there(request.remote):
            raise Unverified("the call comes from another address than the phone system's")
        if not self._knows_a_secret(request):
            raise Unverified("the secret header or the password is wrong")
        contract.told(request)

    def source_key(self, request: RawRequest) -> str:
        try:
            heard = contract.told(request)
        except Unreadable:
            return ""
        day = f"@{request.received_at:%Y-%m-%d}" if self.settings.ids_start_again else ""
        return contract.source_key(heard) + day

    def acknowledge(self, request: RawRequest, event_id: str) -> Reply:
        answer = contract.answer(contract.told(request), self.settings)
        return Reply(body=orjson.dumps(answer), content_type="application/json")

    def parse(self, event: RawEvent) -> Sequence[Inbound]:
        return parsing.parse(event.request, Reader(account_id=self.account.id, settings=self.settings))

    async def check(self) -> Sequence[Finding]:
        return (self._address(), self._protection())

    def _address(self) -> Finding:
        name, host = "Address of this hub", urlsplit(self.door).hostname or ""
        if self.door.startswith("https://") or _is_near(host):
            return Finding(name=name, ok=True, detail=self.toolbox.public_url)
        remedy = "Put the hub behind https: the address holds the token, and calls are readable on the way."
        return Finding(name=name, ok=False, detail=f"{self.toolbox.public_url} is not encrypted", remedy=remedy)

    def _protection(self) -> Finding:
        settings = self.settings
        ways = [("a secret header", settings.secret.get_secret_value()), ("a password", settings.basic_user)]
        ways.append(("the phone system's address", ", ".join(settings.networks)))
        used = [words for words, value in ways if value]
        detail = (
            f"besides the address: {', '.join(used)}" if used else "whoever knows the address can report calls"
        )
        return Finding(name="Protection", ok=True, detail=detail)

    def _is_from_there(self, remote: str) -> bool:
        if not self.settings.networks:
            return True
        try:
            address = ipaddress.ip_address(remote)
        except ValueError:
            return False
        return any(address in ipaddress.ip_network(one, strict=False) for one in self.settings.networks)

    def _knows_a_secret(self, request: RawRequest) -> bool:
        """Where both a header and a password are set, either is enough."""
        secret = self.settings.secret.get_secret_value()
        user, password = self.settings.basic_user, self.settings.basic_password.get_secret_value()
        if not secret and not user:
            return True
        by_header = bool(secret) and _same(request.headers.get(SECRET_HEADER, ""), secret)
        return by_header or (bool(user) and _same(_basic(request), f"{user}:{password}"))


def _basic(request: RawRequest) -> str:
    kind, _, given = request.headers.get("authorization", "").partition(" ")
    if kind.lower() != "basic":
        return ""
    try:
        return b64decode(given.strip(), validate=True).decode("utf-8")
    except ValueError:
        return ""


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode("utf-8", "surrogatepass"), other.encode("utf-8"))


def _is_near(host: str) -> bool:
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return host == "localhost" or host.endswith((".localhost", ".local", ".internal", ".lan"))
