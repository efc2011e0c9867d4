"""The admin's "test connection"."""

from collections.abc import Sequence

from omnihub.connectors.contract import Finding
from omnihub.connectors.errcode_api import ErrcodeApi
from omnihub.connectors.reading import Fields, text_of
from omnihub.connectors.wecom_api.api import check_credentials, post, remedy
from omnihub.connectors.wecom_kf.pulling import list_accounts
from omnihub.connectors.wecom_kf.settings import Settings
from omnihub.model.errors import OmnihubError

_SHOWN = 10
_SCENE = "omnihub"
_API = "KF accounts"
_GRANT = (
    "On the 微信客服 page of the admin console choose this app under 可调用接口的应用, then tick the account "
    "under 通过API管理微信客服账号."
)


async def findings(api: ErrcodeApi, settings: Settings) -> Sequence[Finding]:
    credentials = await check_credentials(api)
    if not credentials.ok:
        return (credentials,)
    try:
        listed = await list_accounts(api)
    except OmnihubError as error:
        return credentials, Finding(name=_API, ok=False, detail=str(error), remedy=remedy(error))
    if not listed:
        return credentials, Finding(name=_API, ok=False, detail="the app manages none", remedy=_GRANT)
    found = {text_of(one, "open_kfid"): one for one in listed}
    wanted = settings.open_kfids or list(found)
    return credentials, *[await _account(api, kfid, found.get(kfid)) for kfid in wanted[:_SHOWN]]


async def _account(api: ErrcodeApi, open_kfid: str, listed: Fields | None) -> Finding:
    """With the link that customers open the chat by."""
    if listed is None:
        return Finding(name=open_kfid, ok=False, detail="the app does not know this KF account", remedy=_GRANT)
    name = f"{text_of(listed, 'name')} ({open_kfid})"
    if listed.get("manage_privilege") is False:
        return Finding(name=name, ok=False, detail="the app may not manage this KF account", remedy=_GRANT)
    try:
        link = await api.call(post("/cgi-bin/kf/add_contact_way", {"open_kfid": open_kfid, "scene": _SCENE}))
    except OmnihubError as error:
        return Finding(name=name, ok=False, detail=str(error), remedy=remedy(error))
    return Finding(name=name, ok=True, detail=f"customers open the chat by {text_of(link, 'url')}")
