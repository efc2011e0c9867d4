"""The process that cuts Chinese into words.

jieba's dictionary takes 90 MB and 0.4 s: it stands in a process of its own, which the feeder starts when there is
something to cut and lets go when there is nothing more, so that a hub at rest does not hold it, and cutting never
makes the hub's other work wait.
Frames on both sides: four bytes of length, then JSON. In: texts. Out: the tokens of each.
"""

import os
import sys
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

import orjson

from omnihub.search.words import Cut, in_doubt, tokens

_NICE = 5


def cutter() -> Cut:
    # It would be loaded for one file's path, and warns of its own end.
    sys.modules["pkg_resources"] = None  # type: ignore[assignment]
    import jieba

    dictionary = jieba.Tokenizer()
    # As its initialize() does, without a cache in the directory for temporary files, where anybody could put one.
    dictionary.FREQ, dictionary.total = dictionary.gen_pfdict(dictionary.get_dict_file())
    dictionary.initialized = True

    def cut(run: str) -> tuple[list[str], Iterator[str]]:
        words = list(dictionary.cut(run))
        inner = [part for word in words if len(word) > 2 for part in _inside(word, known)]
        return [*inner, *words], in_doubt(words, known)

    def known(word: str) -> bool:
        return bool(dictionary.FREQ.get(word))

    return cut


def _inside(word: str, known: Callable[[str], bool]) -> Iterator[str]:
    """The shorter words of a long one."""
    for length in range(2, min(4, len(word))):
        for at in range(len(word) - length + 1):
            if known(part := word[at : at + length]):
                yield part


def _frames(source: BinaryIO) -> Iterator[Any]:
    while head := source.read(4):
        yield orjson.loads(source.read(int.from_bytes(head)))


def main() -> None:
    os.nice(_NICE)
    cut = cutter()
    for texts in _frames(sys.stdin.buffer):
        answer = orjson.dumps([tokens(text, cut) for text in texts])
        sys.stdout.buffer.write(len(answer).to_bytes(4) + answer)
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
