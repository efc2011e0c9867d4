import secrets
from collections.abc import Callable
from dataclasses import dataclass

from omnihub.connectors.wechat_api.simulator_errors import ApiFault

LIFE = 7200.0
OVERLAP = 300.0
FORCED_A_DAY = 20
FORCED_APART = 30.0
_DAY = 86_400.0
_NOT_LATEST = (
    "invalid credential, access_token is invalid or not latest, could get access_token by getStableAccessToken, "
    "more details at https://mmbizurl.cn/s/JtxxFh33r"
)


@dataclass(slots=True, kw_only=True)
class _Issued:
    value: str
    until: float


class TokenOffice:
    """Gives out tokens as /cgi-bin/token does, where each call ends the one before after an overlap, and as
    /cgi-bin/stable_token does: the same one while it is good, apart from the other kind. `calls` counts
    both."""

    def __init__(self, appid: str, secret: str, clock: Callable[[], float], life: float = LIFE) -> None:
        self._appid = appid
        self._secret = secret
        self._clock = clock
        self._life = life
        self._plain: _Issued | None = None
        self._stable: _Issued | None = None
        self._known: dict[str, float] = {}
        self._forced: list[float] = []
        self.calls = 0

    def plain(self, appid: str, secret: str) -> tuple[str, int]:
        self._admit(appid, secret)
        if self._plain is not None:
            self._shorten(self._plain, OVERLAP)
        self._plain = self._issue()
        return self._plain.value, int(self._life)

    def stable(self, appid: str, secret: str, force: bool) -> tuple[str, int]:
        self._admit(appid, secret)
        at = self._clock()
        if force:
            self._count_forced(at)
            if self._stable is not None:
                self._shorten(self._stable, 0)
        if force or self._stable is None or self._known[self._stable.value] <= at:
            self._stable = self._issue()
        return self._stable.value, int(self._stable.until - at)

    def check(self, token: str) -> None:
        """Raises ApiFault."""
        if not token:
            raise ApiFault(41001, "access_token missing")
        until = self._known.get(token)
        if until is None:
            raise ApiFault(40001, _NOT_LATEST)
        if until <= self._clock():
            raise ApiFault(42001, "access_token expired")

    def revoke(self) -> None:
        """All tokens are unknown from now on, as after the AppSecret was reset."""
        self._known.clear()
        self._plain = self._stable = None

    def _admit(self, appid: str, secret: str) -> None:
        self.calls += 1
        if appid != self._appid:
            raise ApiFault(40013, "invalid appid")
        if secret != self._secret:
            raise ApiFault(40125, "invalid appsecret")

    def _issue(self) -> _Issued:
        issued = _Issued(value=f"80_{secrets.token_urlsafe(96)}", until=self._clock() + self._life)
        self._known[issued.value] = issued.until
        return issued

    def _shorten(self, issued: _Issued, seconds: float) -> None:
        if issued.value in self._known:
            self._known[issued.value] = min(issued.until, self._clock() + seconds)

    def _count_forced(self, at: float) -> None:
        self._forced = [one for one in self._forced if at - one < _DAY]
        if self._forced and at - self._forced[-1] < FORCED_APART:
            raise ApiFault(45011, "api minute-quota reach limit, must slower, retry next minute")
        if len(self._forced) >= FORCED_A_DAY:
            raise ApiFault(45009, "reach max api daily quota limit")
        self._forced.append(at)
