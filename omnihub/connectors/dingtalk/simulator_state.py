"""What the simulated DingTalk knows: the app, its people and chats, and what it handed out."""

import secrets
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from omnihub.connectors.simulation import Chats, Person

CLIENT_ID = "dingdemoclient0001"
CLIENT_SECRET = "demo-client-secret-of-the-robot"
CORP_ID = "dingdemocorp0001"
EVENT_TOKEN = "demoEventToken"
EVENT_AES_KEY = "DemoEncodingAesKeyOfTheSimulator01234567890"
GROUP_ID = "cidDemoGroup0001=="
GROUP_NAME = "项目交付群"

MEMBERS = (
    Person(id="chen.xiaowen", name="陈晓雯"),
    Person(id="daniel.weber", name="Daniel Weber"),
    Person(id="group-wang.lei", name=f"王磊（群：{GROUP_NAME}）"),
    Person(id="group-li.na", name=f"李娜（群：{GROUP_NAME}）"),
)


@dataclass(slots=True, frozen=True, kw_only=True)
class Rules:
    """The platform's numbers; tests shorten them. `redeliver_seconds`: between which pauses a frame without
    acknowledgement comes again, `deliveries` times in all. How often a robot's HTTP call is repeated is not
    documented. `disconnect_seconds`: after how long a connection is asked to leave, 0 for never."""

    clock: Callable[[], float] = time.time
    ticket_seconds: float = 90
    session_seconds: float = 5400
    token_seconds: float = 7200
    file_seconds: float = 3600
    redeliver_seconds: tuple[float, float] = (16, 60)
    deliveries: int = 4
    ping_seconds: float = 20
    disconnect_seconds: float = 0
    idle_close_seconds: float = 10
    calls_per_second: int = 20
    calls_per_month: int = 5000
    http_seconds: float = 5
    http_deliveries: int = 1
    event_seconds: float = 1.5
    event_deliveries: int = 3


@dataclass(slots=True, frozen=True, kw_only=True)
class Stored:
    """A file: one that a customer sent, or one that the hub uploaded."""

    content: bytes
    filename: str
    content_type: str
    until: float


@dataclass(slots=True, frozen=True, kw_only=True)
class Session:
    """Where a sessionWebhook leads: to these people's screens."""

    people: Sequence[str]
    until: float


@dataclass(slots=True)
class State:
    rules: Rules
    robot_code: str = CLIENT_ID
    tokens: dict[str, float] = field(default_factory=dict)
    sessions: dict[str, Session] = field(default_factory=dict)
    files: dict[str, Stored] = field(default_factory=dict)
    media: dict[str, Stored] = field(default_factory=dict)
    outsiders: set[str] = field(default_factory=set)
    flow_controlled: set[str] = field(default_factory=set)
    calls: dict[str, deque[float]] = field(default_factory=dict)
    month: int = 0
    requests: list[tuple[str, Mapping[str, object]]] = field(default_factory=list)

    @property
    def now(self) -> float:
        return self.rules.clock()

    def token(self) -> tuple[str, int]:
        """The same while it is valid, with the seconds left."""
        for value, until in self.tokens.items():
            if until > self.now:
                return value, max(1, round(until - self.now))
        value = secrets.token_hex(16)
        self.tokens[value] = self.now + self.rules.token_seconds
        return value, round(self.rules.token_seconds)

    def knows_token(self, value: str) -> bool:
        return self.tokens.get(value, 0) > self.now

    def over_limit(self, interface: str) -> str:
        """The code of the limit that this call breaks, if any."""
        recent = self.calls.setdefault(interface, deque())
        while recent and recent[0] <= self.now - 1:
            recent.popleft()
        if len(recent) >= self.rules.calls_per_second:
            return "Forbidden.AccessDenied.QpsLimitForAppkeyAndApi"
        if self.month >= self.rules.calls_per_month:
            return "Forbidden.AccessDenied.ApiCountLimitForOrg"
        recent.append(self.now)
        self.month += 1
        return ""

    def keep(self, where: dict[str, Stored], content: bytes, filename: str, content_type: str, prefix: str) -> str:
        code = prefix + secrets.token_urlsafe(24)
        until = self.now + self.rules.file_seconds
        where[code] = Stored(content=content, filename=filename, content_type=content_type, until=until)
        return code

    def session(self, people: Sequence[str]) -> tuple[str, int]:
        """Its name, and when it ends in milliseconds."""
        name, until = secrets.token_hex(16), self.now + self.rules.session_seconds
        self.sessions[name] = Session(people=people, until=until)
        return name, round(until * 1000)


def staff_of(person_id: str) -> str:
    """A group member's line on the page has an id of its own beside the person's."""
    return person_id.removeprefix("group-")


def in_group(person_id: str) -> bool:
    return person_id.startswith("group-")


def group_people(chats: Chats) -> Sequence[str]:
    return [person.id for person in chats.people if in_group(person.id)]
