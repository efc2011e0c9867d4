"""What is different from line to line: the country of its callers, and whether its calls are recorded."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pydantic import BaseModel, ConfigDict

from omnihub.connectors.fields import shown
from omnihub.connectors.numbers import e164
from omnihub.connectors.telephony.call import Call, Consent

NOTICE_LIMIT = 2000
VERSION_LIMIT = 100


class Line(BaseModel):
    """What is left empty is as the account says."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    line: str = shown(
        "Line", "线路号码", "numbers", "The number that is dialled, as calls show it",
        "被叫号码，与通话中显示的一致",
        min_length=1, max_length=40,
    )  # fmt: skip
    region: str = shown(
        "Country", "国家/地区", "numbers",
        "Two letters. Empty: as for the other lines", "两个字母。留空：与其他线路相同",
        default="", pattern=r"^([A-Z]{2})?$",
    )  # fmt: skip
    record: bool = shown(
        "Keep recordings", "保存录音", "recordings",
        "Off: no recording of this line's calls is fetched or kept", "关闭：不获取也不保存此线路的录音",
        default=True,
    )  # fmt: skip
    consent_notice: str = shown(
        "Recording notice", "录音告知内容", "recordings",
        "Empty: as for the other lines", "留空：与其他线路相同",
        default="", max_length=NOTICE_LIMIT, widget="textarea",
    )  # fmt: skip
    consent_version: str = shown(
        "Version of the notice", "告知内容版本", "recordings", default="", max_length=VERSION_LIMIT
    )


@dataclass(slots=True, frozen=True, kw_only=True)
class Lines:
    """All lines of an account: the ones that differ, and what holds for the rest."""

    region: str
    notice: str = ""
    version: str = ""
    own: Sequence[Line] = ()

    def region_of(self, line: str) -> str:
        own = self._own(line)
        return (own.region if own else "") or self.region

    def records(self, line: str) -> bool:
        own = self._own(line)
        return own is None or own.record

    def consent_of(self, line: str) -> Consent | None:
        """None where callers are told nothing. A line with words of its own has a version of its own, too."""
        own = self._own(line)
        if own and own.consent_notice:
            return Consent(notice=own.consent_notice, version=own.consent_version)
        version = (own.consent_version if own else "") or self.version
        return Consent(notice=self.notice, version=version) if self.notice or version else None

    def heard(self, call: Call) -> Call:
        """At the time of the call: a recorded one bears the notice of that time."""
        call = self.allowed(call)
        return replace(call, consent=self.consent_of(call.line)) if call.recording else call

    def allowed(self, call: Call) -> Call:
        """Nothing of a recording where the line has none."""
        return call if self.records(call.line) else replace(call, recording="", consent=None)

    def _own(self, line: str) -> Line | None:
        """By the number as it stands, or as everybody knows it."""
        exact = next((one for one in self.own if one.line == line), None)
        if exact or not line or not self.own:
            return exact
        known = e164(line, self.region)
        same = (one for one in self.own if known and e164(one.line, one.region or self.region) == known)
        return next(same, None)
