"""What is kept of a block's content: its digest, its features, digests of its fields."""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final

import orjson

from tokenprof.data_classes.frozen import replaced
from tokenprof.data_classes.often_made import often_made
from tokenprof.facts.call_labels import parsed_arguments
from tokenprof.facts.labels import label_of, labelled_parts, labels_given
from tokenprof.facts.types import Block, BlockKind, Child, Features, Section
from tokenprof.record.background.counting import VOCABULARIES, count_tokens
from tokenprof.record.background.giving_way import LARGE_BYTES, give_way
from tokenprof.record.background.repeated_json import RepeatedBodies
from tokenprof.record.digest import digester, project_key

FEATURES_VERSION = 1

_LOWER = bytes(range(ord("a"), ord("z") + 1))

_CLASSES = bytes(
    b"U"[0]
    if chr(c).isascii() and chr(c).isupper()
    else b"D"[0]
    if c in b"0123456789"
    else b"S"[0]
    if c in b" \t"
    else b"N"[0]
    if c in b"\n"
    else b"P"[0]
    if 33 <= c < 127
    else b"C"[0]
    if 128 <= c < 192
    else b"H"[0]
    if c >= 192
    else b"-"[0]
    for c in range(256)
)
"""A letter for what each byte that is not lower case is: upper case, digit, space, newline, punctuation, the
first byte of a character beyond ASCII or one that continues it, anything else."""

_PIECE_BYTES = 65_536
"""Bytes are counted in pieces, because the interpreter's lock is held for each. Others run between them."""

MOST_CHILDREN = 1_000
"""How many parts of a block are kept: more than any index of skills has."""


def canonical(value: object) -> bytes:
    """Return compact JSON of a wire value, keys in the order sent, SDK models as their wire form."""
    try:
        return orjson.dumps(value, default=_wire_form, option=orjson.OPT_NON_STR_KEYS)
    except TypeError:
        # A lone surrogate, or an integer above 64 bits.
        text = json.dumps(value, default=_wire_form, ensure_ascii=False, separators=(",", ":"))
        return text.encode("utf-8", "surrogatepass")


def _wire_form(value: object) -> object:
    dump = getattr(value, "model_dump", None)
    if dump is not None:
        return dump(mode="json", by_alias=True, exclude_unset=True)
    if isinstance(value, bytes | bytearray):
        return base64.b64encode(value).decode()
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Iterable):
        return list(value)
    return str(value)


def classes_in(data: bytes) -> Sequence[int]:
    """Return how many bytes are lower case, upper case, digits, spaces, newlines and punctuation.

    The last number is that of the characters beyond ASCII.
    """
    # Counting what is frequent is slow; most of a text is lower case, and what is left of it is short.
    classes = data.translate(_CLASSES, _LOWER)
    count = classes.count
    lower = len(data) - len(classes)
    return lower, count(b"U"), count(b"D"), count(b"S"), count(b"N"), count(b"P"), count(b"H")


def measure(
    text: str, tokens: Mapping[str, int], classes: Callable[[bytes], Sequence[int]] = classes_in
) -> Features:
    """Return the features of `text`, whose token counts are known already.

    `classes` returns what `classes_in` does.
    """
    data = text.encode("utf-8", "surrogatepass")
    if len(data) <= _PIECE_BYTES:
        found = classes(data)
    else:
        pieces = []
        for at in range(0, len(data), _PIECE_BYTES):
            pieces.append(classes(data[at : at + _PIECE_BYTES]))
            give_way()
        found = [sum(counts) for counts in zip(*pieces, strict=True)]
    lower, upper, digits, spaces, newlines, punctuation, beyond_ascii = found
    return Features(
        FEATURES_VERSION,
        len(data),
        len(text),
        tokens,
        upper + lower,
        upper,
        digits,
        punctuation,
        spaces,
        newlines,
        beyond_ascii,
    )


def sizes_of(texts: Sequence[str]) -> list[Features]:
    """Return only the sizes of texts: bytes, characters, and tokens in the first vocabulary."""
    return [
        Features(
            version=FEATURES_VERSION,
            bytes=len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass")),
            chars=len(text),
            tokens=tokens,
        )
        for text, tokens in zip(texts, count_tokens(texts, VOCABULARIES[:1]), strict=True)
    ]


_KEPT_TEXTS: Final[ContextVar[dict[str, str] | None]] = ContextVar("kept_texts", default=None)


@contextmanager
def texts_kept() -> Iterator[Mapping[str, str]]:
    """Keep the text of each block that this thread makes, by digest. Only for whoever asks to see texts."""
    texts: dict[str, str] = {}
    token = _KEPT_TEXTS.set(texts)
    try:
        yield texts
    finally:
        _KEPT_TEXTS.reset(token)


@often_made
class CallContent:
    """What a block of a tool call or a result holds beside its ids: a keyed digest, and a label of a call."""

    content_digest: str
    label: str | None = None


class Shaper:
    """Makes blocks from wire content; each distinct content is digested and counted once.

    There is one per recording, or per file that is read. It holds digests and measures, never the texts
    (`texts_kept` keeps them for whoever asks). `requests` parses the requests whose content it shapes.
    `later` is given the digest and the text of what is to be counted later; `learn` takes the counts.
    `labeller` names tool calls, if their owner asked for labels. `classes` does what `classes_in` does.
    """

    def __init__(
        self,
        key: bytes | None = None,
        *,
        count: Callable[[Sequence[str]], list[Mapping[str, int]]] = count_tokens,
        later: Callable[[tuple[str, str]], None] | None = None,
        labeller: Callable[[str, object], str | None] | None = None,
        classes: Callable[[bytes], Sequence[int]] = classes_in,
    ):
        self._label = labeller
        self._digest = digester(project_key() if key is None else key)
        self.requests = RepeatedBodies()
        self.count = count
        self._later = later
        self._classes = classes
        self._known: dict[str, Features] = {}
        self._tokens: dict[str, Mapping[str, int]] = {}
        self._calls: dict[str, CallContent] = {}

    def memory(self) -> dict[str, object]:
        """Return the fields that hold what was digested and counted, to be set on another shaper.

        Without them, a block whose tokens are counted later differs from earlier ones of the same content.
        """
        return {name: getattr(self, name) for name in ("_known", "_tokens", "_calls")}

    def learn(self, counted: Mapping[str, Mapping[str, int]]) -> None:
        """Take the tokens of texts, by digest, that were put off to be counted later."""
        for identity, tokens in counted.items():
            self._tokens[identity] = tokens
            if identity in self._known:
                self._known[identity] = replaced(self._known[identity], tokens=tokens)

    def digest(self, value: object) -> str:
        """Return the keyed digest of a wire value."""
        data = canonical(value)
        if len(data) > LARGE_BYTES:
            give_way()
        return self._digest(data).hexdigest()

    def result_content(self, result: Block, text: str) -> CallContent:
        """Return what identifies the text of a tool's result, whatever the id of its call."""
        found = self._calls.get(result.digest)
        if found is None:
            found = self._calls[result.digest] = CallContent(self.digest(text))
        return found

    def call_content(self, call: Block, tool: str, arguments: object) -> CallContent:
        """Return what identifies the arguments of a tool call, and its label if labels were asked for."""
        found = self._calls.get(call.digest)
        if found is None:
            asked = parsed_arguments(arguments)
            label = self._label(tool, asked) if self._label is not None else None
            found = self._calls[call.digest] = CallContent(self.digest([tool, asked]), label)
        return found

    def block(
        self,
        kind: BlockKind,
        name: str,
        content: object,
        *,
        section: Section = "messages",
        role: str = "user",
        opens_message: bool = False,
        text: str | None = None,
        link: str | None = None,
        deferred: bool = False,
        fields: Sequence[str] = (),
        children: Sequence[tuple[str, str]] = (),
        uses: tuple[str, ...] | None = None,
        known_digest: str | None = None,
    ) -> Block:
        """Return the block of `content`, a wire value from which cache markers have been taken off.

        `text` is what the model reads of it, or None if the content is opaque, like an image. `fields` names
        the keys of `content` that get a digest of their own; `children` are (name, text) pairs. A text that
        the user has labelled gets that label as its name. `known_digest` is what `digest` returned for
        `content`, if it was asked.
        """
        identity = known_digest or self.digest(content)
        features = self._known.get(identity)
        if features is None:
            features = self._known[identity] = self._features(identity, content, text)
        kept = _KEPT_TEXTS.get()
        if kept is not None and text is not None:
            kept[identity] = text
        if labels_given():
            label = label_of(text)
            if label is not None:
                name, kind = label.name, label.kind or kind
            children = [*children, *labelled_parts(text)]
        return Block(
            kind,
            name,
            identity,
            section,
            role,
            opens_message,
            features,
            link,
            deferred,
            self._digests_of(content, fields) if fields else {},
            self._children(children) if children else (),
            uses,
        )

    def _features(self, identity: str, content: object, text: str | None) -> Features:
        if text is None:
            size = len(canonical(content))
            return Features(version=FEATURES_VERSION, bytes=size, pixels=pixels_of(content))
        return measure(text, self._counted([(identity, text)])[0], self._classes)

    def _digests_of(self, content: object, fields: Sequence[str]) -> dict[str, str]:
        mapping = content if isinstance(content, Mapping) else {}
        return {field: self.digest(mapping[field]) for field in fields if field in mapping}

    def _children(self, children: Sequence[tuple[str, str]]) -> tuple[Child, ...]:
        children = children[:MOST_CHILDREN]
        texts = [(self.digest(text), text) for _, text in children]
        return tuple(
            Child(name=name, digest=key, tokens=tokens)
            for (name, _), (key, _), tokens in zip(children, texts, self._counted(texts), strict=True)
        )

    def _counted(self, texts: Sequence[tuple[str, str]]) -> list[Mapping[str, int]]:
        """Return the tokens of texts, given with their digests; each is counted once."""
        known = self._tokens
        new: dict[str, str] = {}
        for pair in texts:
            if pair[0] not in known and pair[0] not in new:
                new[pair[0]] = pair[1]
                if self._later is not None:
                    self._later(pair)
        if new and self._later is None:
            known.update(zip(new, self.count(list(new.values())), strict=True))
        return [known.get(key, {}) for key, _ in texts]


def pixels_of(content: object) -> int:
    """Return width × height of a base64 image block (PNG, GIF or JPEG), 0 if it is unknown."""
    source = content.get("source") if isinstance(content, Mapping) else None
    data = source.get("data") if isinstance(source, Mapping) else None
    if not isinstance(data, str):
        return 0
    try:
        return _pixels(base64.b64decode(data[: 65536 * 4 // 3 // 4 * 4], validate=False))
    except (ValueError, struct.error):
        return 0


def _pixels(head: bytes) -> int:
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        width, height = struct.unpack(">II", head[16:24])
        return int(width * height)
    if head.startswith(b"GIF8"):
        width, height = struct.unpack("<HH", head[6:10])
        return int(width * height)
    if head.startswith(b"\xff\xd8"):
        at = 2
        while at + 9 < len(head):
            marker, length = head[at + 1], struct.unpack(">H", head[at + 2 : at + 4])[0]
            if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
                height, width = struct.unpack(">HH", head[at + 5 : at + 9])
                return int(width * height)
            at += 2 + length
    return 0


def json_text(value: Any) -> str:
    """Return a wire value as compact JSON text, to count its tokens."""
    return canonical(value).decode("utf-8", "replace")
