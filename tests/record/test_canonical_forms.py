"""What a block is digested from: any value that a host may send, and the size of pictures."""

from __future__ import annotations

import base64
import struct
from collections import ChainMap
from typing import Any

import pytest

from tokenprof.record.block_facts import Shaper, canonical, json_text, pixels_of, texts_kept


class Model:
    """An SDK's object, which says how it goes over the wire."""

    def model_dump(self, **how: Any) -> dict[str, Any]:
        assert how == {"mode": "json", "by_alias": True, "exclude_unset": True}
        return {"type": "text"}


class Path:
    def __str__(self) -> str:
        return "/tmp/x"


@pytest.mark.parametrize(
    ("value", "form"),
    [
        ({"b": 1, "a": "\u4e2d"}, '{"b":1,"a":"\u4e2d"}'),
        ([Model()], '[{"type":"text"}]'),
        ({"data": b"hi"}, '{"data":"aGk="}'),
        ({"data": bytearray(b"hi")}, '{"data":"aGk="}'),
        ({"given": ChainMap({"a": 1})}, '{"given":{"a":1}}'),
        ({"given": (n for n in (1, 2))}, '{"given":[1,2]}'),
        ({"file": Path()}, '{"file":"/tmp/x"}'),
        ({7: "a"}, '{"7":"a"}'),
        ({"big": 2**70}, '{"big":1180591620717411303424}'),
        ({"big": 2**70, "given": Model()}, '{"big":1180591620717411303424,"given":{"type":"text"}}'),
    ],
    ids=["order", "model", "bytes", "bytearray", "mapping", "generator", "object", "key", "big", "big model"],
)
def test_the_canonical_form_of_what_a_host_may_send(value: Any, form: str) -> None:
    assert canonical(value) == form.encode()
    assert json_text({"half": "x\ud800"}).startswith('{"half":"x')


def test_half_a_character_has_a_digest_of_its_own() -> None:
    shaper = Shaper(key=b"k" * 16, count=lambda texts: [{} for _ in texts])
    digests = {shaper.digest(text) for text in ("x\ud800", "x\ud801", "x\ufffd", "x")}
    assert len(digests) == 4


def test_texts_are_kept_only_for_whoever_asks() -> None:
    shaper = Shaper(key=b"k" * 16, count=lambda texts: [{} for _ in texts])
    shaper.block("user", "user", "before", text="before")
    with texts_kept() as texts:
        block = shaper.block("user", "user", "hello", text="hello")
        shaper.block("image", "image", {"type": "image"})
    shaper.block("user", "user", "after", text="after")
    assert texts == {block.digest: "hello"}


def jpeg(*segments: bytes) -> bytes:
    return b"\xff\xd8" + b"".join(segments)


def segment(marker: int, payload: bytes) -> bytes:
    return b"\xff" + bytes([marker]) + struct.pack(">H", len(payload) + 2) + payload


PICTURES = {
    "png": (b"\x89PNG\r\n\x1a\n" + bytes(8) + struct.pack(">II", 640, 480), 307_200),
    "gif": (b"GIF89a" + struct.pack("<HH", 10, 20), 200),
    "jpeg": (
        jpeg(segment(0xE0, bytes(14)), segment(0xC0, b"\x08" + struct.pack(">HH", 30, 40) + bytes(9))),
        1_200,
    ),
    "progressive jpeg": (
        jpeg(segment(0xC4, bytes(20)), segment(0xC2, b"\x08\x00\x1e\x00\x28" + bytes(9))),
        1_200,
    ),
    "jpeg without a frame": (jpeg(segment(0xE0, bytes(14)), segment(0xC4, bytes(30))), 0),
    "cut png": (b"\x89PNG\r\n\x1a\n\x00\x00", 0),
    "another kind": (b"RIFF\x00\x00\x00\x00WEBPVP8 ", 0),
    "nothing": (b"", 0),
}


@pytest.mark.parametrize("picture", PICTURES)
def test_the_size_of_a_picture(picture: str) -> None:
    data, pixels = PICTURES[picture]
    content = {"type": "image", "source": {"type": "base64", "data": base64.b64encode(data).decode()}}
    assert pixels_of(content) == pixels
    assert Shaper(key=b"k" * 16).block("image", "image", content).features.pixels == pixels


@pytest.mark.parametrize(
    "content",
    [
        None,
        "text",
        {},
        {"source": "x"},
        {"source": {"data": 5}},
        {"source": {"data": "%%%"}},
        {"source": {"data": "a"}},
    ],
)
def test_what_is_not_a_picture_has_no_size(content: Any) -> None:
    assert pixels_of(content) == 0
