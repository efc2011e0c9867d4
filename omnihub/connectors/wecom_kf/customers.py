"""Who a customer is: developer.work.weixin.qq.com/document/path/96429, read 2026-11."""

from omnihub.connectors.errcode_api import ErrcodeApi
from omnihub.connectors.reading import items, text_of
from omnihub.connectors.wecom_api.api import post
from omnihub.connectors.wecom_api.people import union_key
from omnihub.connectors.wecom_api.profiles import avatar
from omnihub.model.inbound import Profile


async def customer_profile(api: ErrcodeApi, external_userid: str) -> Profile | None:
    """None for whoever did not write within 48 hours. The unionid comes only where the company has bound a
    WeChat Open Platform account. Raises TryLater or Refused."""
    body = {"external_userid_list": [external_userid], "need_enter_session_context": 0}
    listed = items(await api.call(post("/cgi-bin/kf/customer/batchget", body)), "customer_list")
    told = (one for one in listed if isinstance(one, dict) and text_of(one, "external_userid") == external_userid)
    known = next(told, None)
    if known is None:
        return None
    unionid = text_of(known, "unionid").strip()
    return Profile(
        name=text_of(known, "nickname").strip(),
        avatar=await avatar(api, text_of(known, "avatar")),
        proven=(union_key(unionid),) if unionid else (),
    )
