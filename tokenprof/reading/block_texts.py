"""The texts of blocks, for whoever asks to see them: from logs that hold them, or recordings with content."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

import orjson

from tokenprof.facts.adapters import load_adapter
from tokenprof.facts.types import Run
from tokenprof.reading.json_lines import read_strict_lines
from tokenprof.record import names
from tokenprof.record.block_facts import Shaper, texts_kept
from tokenprof.record.otlp import decode_attributes, spans_of
from tokenprof.record.wire_values import Wire

WIRE: Final = "wires.raw_calls"
OWN_FORMAT: Final = "tokenprof"


def read_with_texts(read: Callable[[], Run]) -> tuple[Run, Mapping[str, str]]:
    """Return what `read` returns, and the texts of its blocks by digest, as far as its files hold them.

    `read` has to read in this process. Texts of recordings are there if they were made with `content=True`.
    """
    with texts_kept() as kept:
        run = read()
    texts = dict(kept)
    ours = [Path(source.file) for source in run.sources if source.format == OWN_FORMAT]
    if ours:
        requests = {identity: blocks for path in ours for identity, blocks in _recorded(path)}
        for turn, prompt in zip(run.turns, run.prompts(), strict=True):
            blocks = requests.get(turn.id, ())
            if len(blocks) == len(prompt):
                texts |= {
                    block.digest: text for block, text in zip(prompt, blocks, strict=True) if text is not None
                }
    return run, texts


def _recorded(path: Path) -> Iterator[tuple[str, tuple[str | None, ...]]]:
    """Yield the id of each response in a recording with content, and the texts of its prompt's blocks."""
    call_of = load_adapter(WIRE).call_of
    shaper = Shaper()
    for _, line in read_strict_lines(path, []):
        for _, scope, span in spans_of(line):
            attributes = decode_attributes(span.get("attributes", ())) if scope == names.SCOPE else {}
            request = _object(attributes.get(names.CONTENT_REQUEST))
            answer = _object(attributes.get(names.CONTENT_RESPONSE))
            identity = str(attributes.get(names.RESPONSE_ID) or "")
            if request is None or answer is None or not identity:
                continue
            with texts_kept() as kept:
                call = call_of(request, answer, shaper, otherwise=identity)
            if call is not None:
                yield identity, tuple(kept.get(block.digest) for block in call.prompt)


def _object(written: object) -> Wire | None:
    if not isinstance(written, str):
        return None
    try:
        found = orjson.loads(written)
    except orjson.JSONDecodeError:
        return None
    return found if isinstance(found, dict) else None
