from urllib.parse import parse_qsl

from multidict import MultiDict, MultiDictProxy

from omnihub.model.errors import Unreadable
from omnihub.model.raw import RawRequest

_TYPE = "application/x-www-form-urlencoded"
_MOST_FIELDS = 500


def read_form(request: RawRequest) -> MultiDictProxy[str]:
    """Every field with its values unstripped, as the signature covers them. Raises Unreadable."""
    content_type = request.headers.get("content-type", _TYPE).partition(";")[0].strip().lower()
    if content_type != _TYPE:
        raise Unreadable("Twilio posts forms; this is none")
    try:
        text = request.body.decode("ascii")
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=_MOST_FIELDS, errors="strict")
    except ValueError as error:
        raise Unreadable("the form is not properly encoded, or has too many fields") from error
    return MultiDictProxy(MultiDict(pairs))
