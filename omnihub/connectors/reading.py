"""Reading what strangers send: bounded in size and depth, never anything but Unreadable when it is bad."""

from typing import Any
from xml.parsers import expat

import orjson

from omnihub.model.errors import Unreadable

Fields = dict[str, Any]

_XML_DEPTH = 12
_XML_ELEMENTS = 5_000
_JSON_DEPTH = 40


def read_json(body: bytes) -> Fields:
    """A JSON object. Raises Unreadable."""
    try:
        read = orjson.loads(body)
    except (orjson.JSONDecodeError, RecursionError) as error:
        raise Unreadable("the body is not JSON") from error
    if not isinstance(read, dict):
        raise Unreadable("the body is not a JSON object")
    if _deeper(read, _JSON_DEPTH):
        raise Unreadable("the JSON is nested too deeply")
    return read


def _deeper(value: Any, limit: int) -> bool:
    level = [value]
    for _ in range(limit):
        level = [
            inner
            for one in level
            if isinstance(one, dict | list)
            for inner in (one.values() if isinstance(one, dict) else one)
        ]
        if not level:
            return False
    return True


def text_of(fields: Fields, name: str, default: str = "") -> str:
    """A field as text, whatever type the sender gave it; numbers become their digits."""
    value = fields.get(name)
    if value is None or isinstance(value, dict | list):
        return default
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def inner(fields: Fields, name: str) -> Fields:
    """A nested object, {} where there is none."""
    value = fields.get(name)
    return value if isinstance(value, dict) else {}


def items(fields: Fields, name: str) -> list[Any]:
    """A repeated field: what came once is a list of one."""
    value = fields.get(name)
    if value is None or value == "":
        return []
    return value if isinstance(value, list) else [value]


class _Tree:
    """Elements become dicts, repeated ones lists, leaves their text. Document types are refused: they are
    what every XML bomb is made of."""

    def __init__(self) -> None:
        self.root: Fields = {}
        self._open: list[tuple[str, Fields, list[str]]] = []
        self._count = 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self._count += 1
        if len(self._open) >= _XML_DEPTH or self._count > _XML_ELEMENTS:
            raise Unreadable("the XML is nested too deeply or has too many elements")
        self._open.append((name, {}, []))

    def end(self, name: str) -> None:
        _, children, texts = self._open.pop()
        value: Any = children or "".join(texts)
        parent = self._open[-1][1] if self._open else self.root
        known = parent.get(name)
        if known is None:
            parent[name] = value
        elif isinstance(known, list):
            known.append(value)
        else:
            parent[name] = [known, value]

    def text(self, data: str) -> None:
        if self._open:
            self._open[-1][2].append(data)

    def refuse(self, *_: Any) -> None:
        raise Unreadable("the XML declares a document type")


def read_xml(body: bytes) -> Fields:
    """The children of the root element. Raises Unreadable."""
    tree = _Tree()
    parser = expat.ParserCreate()
    parser.StartElementHandler = tree.start
    parser.EndElementHandler = tree.end
    parser.CharacterDataHandler = tree.text
    parser.StartDoctypeDeclHandler = tree.refuse
    try:
        parser.Parse(body, True)
    except (expat.ExpatError, ValueError, LookupError) as error:
        raise Unreadable("the body is not XML") from error
    root = next(iter(tree.root.values()), None)
    if not isinstance(root, dict):
        raise Unreadable("the XML has no fields")
    return root
