"""Read how a service is cut from a published point's words: `TP8`, `DEP8`, `TP4 EP4`, `8P+8D` and others."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Final

USUAL_DECODE_RANKS: Final = 8
"""Tensor-parallel ranks of a decode replica if a text names only its expert ranks or its accelerators."""

LARGEST_PROMPT_RANKS: Final = 8
"""A prompt pool of more accelerators is several replicas."""


@dataclass(frozen=True, slots=True)
class Cut:
    """One pool: ranks of a replica, and how many replicas; 0 if the text does not say.

    `attention_open` says that the text leaves open how attention is cut: over the ranks, or a copy on each.
    """

    tp: int
    dp: int
    pp: int = 1
    ep: int = 1
    replicas: int = 1
    attention_open: bool = False

    @property
    def accelerators(self) -> int:
        """Accelerators of the pool."""
        return self.tp * self.dp * self.pp * self.replicas


@dataclass(frozen=True, slots=True)
class ServiceLayout:
    """The pools of a service; `prompt` is None if one pool does both."""

    decode: Cut
    prompt: Cut | None = None


def read_layout(text: str, gpus: int | None, disaggregated: bool) -> ServiceLayout | None:
    """Return the layout that a text describes on `gpus` accelerators; None if it says too little.

    Replicas whose number is not named fill the accelerators that are left.
    """
    plain = _usual_spelling(text)
    if not plain:
        return None
    pools = _two_pools(plain, gpus)
    if pools is not None:
        return ServiceLayout(decode=pools[1], prompt=pools[0])
    if "prefill" in plain or plain in ("decode",):
        return None
    cut = _one_replica(plain)
    if cut is None or (disaggregated and cut.accelerators != gpus):
        # A split service of which only one replica is named, unless that replica is all there is of it.
        return None
    if gpus is not None and cut.accelerators != gpus:
        # Some makers count cores, two of them to an accelerator.
        if cut.tp == 2 * gpus and cut.dp == 1:
            return ServiceLayout(Cut(gpus, 1, ep=cut.ep))
        if cut.dp == 2 * gpus:
            return ServiceLayout(Cut(1, gpus, ep=gpus))
        if cut.replicas == 1 and gpus % cut.accelerators == 0:
            return ServiceLayout(replace(cut, replicas=gpus // cut.accelerators))
    return ServiceLayout(cut)


def _usual_spelling(text: str) -> str:
    """Return a text with ranks in capitals, pools as `prefill … | decode …`, and no blanks around signs."""
    plain = re.sub(
        r"(?i)(?<![a-z])(d?t?ep|tp|dp|pp|pcp|dpa)(?=[=\s]?\d|\b)", lambda m: m[1].upper(), text.strip()
    )
    plain = re.sub(r"(?<=\d)\s*P\s*(?=\()", "P", re.sub(r"(?<=\d)\s*D\s*(?=\()", "D", plain))
    plain = re.sub(r"\s*\+\s*(?=\d+D)", "+", plain)
    plain = re.sub(r"^(\d+)P(\d+)D$", r"\1P+\2D", plain)
    pools = re.match(r"(?i)(?:prefill|ctx|p)[:\s]\s*(.+?)[\s,;|+/]+(?:decode|gen|d)[:\s]\s*(.+)$", plain)
    return f"prefill {pools[1]} | decode {pools[2]}" if pools else plain


def _one_replica(text: str) -> Cut | None:
    """Return the replica that a text names, and how many of them: `TP8`, `DEP16`, `4xTP2`, `TP4 EP4`."""
    times = re.match(r"(\d+)\s*[x×]\s*(?=[A-Z])", text) or re.search(r"(?<=\d)\s*[x×]\s*(\d+)$", text)
    cut = _ranks(text if times is None else text.replace(times[0], "", 1))
    return cut if cut is None or times is None else replace(cut, replicas=max(int(times[1]), 1))


def _ranks(text: str) -> Cut | None:
    wide = re.search(r"(?<![A-Z])DEP=?(\d+)", text) or re.search(r"(?<![A-Z])DP(\d+)\s+over", text)
    if wide:
        ranks = max(int(wide[1]), 1)
        return Cut(1, ranks, ep=ranks)
    together = re.search(r"(?<![A-Z])TEP=?(\d+)", text)
    if together:
        ranks = max(int(together[1]), 1)
        return Cut(ranks, 1, ep=ranks)
    named = re.findall(r"(?<![A-Z])(TP|DP|EP|PP|PCP)[=\s]?(\d+)", text)
    found = {name: max(int(number), 1) for name, number in named}
    if "DPA" in text and "TP" in found:
        return Cut(1, found["TP"], ep=found["TP"])
    if not found.keys() & {"TP", "DP", "PCP"}:
        return None
    tp, dp, pp = found.get("TP", 1) * found.get("PCP", 1), found.get("DP", 1), found.get("PP", 1)
    ep = found.get("EP", tp * dp if dp > 1 or re.search(r"\bEP\b", text) else 1)
    return Cut(tp, dp, pp, max(ep, tp * dp if dp > 1 else ep))


def _two_pools(text: str, gpus: int | None) -> tuple[Cut, Cut] | None:
    named = re.match(r"prefill (.+?) \| decode (.+)$", text)
    if named:
        sides = [_pool(side, index == 1) for index, side in enumerate(named.groups())]
        return None if None in sides else (sides[0], sides[1])  # type: ignore[return-value]
    counted = re.match(r"(\d+)P(?:\(([^)]*)\))?\+(\d+)D(?:\(([^)]*)\))?$", text)
    if counted:
        prompts, prompt_text, decodes, decode_text = counted.groups()
        if prompt_text and decode_text:
            prompt, decode = _one_replica(prompt_text), _one_replica(decode_text)
            if prompt is None or decode is None:
                return None
            return (
                Cut(prompt.tp, prompt.dp, prompt.pp, prompt.ep, int(prompts)),
                Cut(decode.tp, decode.dp, decode.pp, decode.ep, int(decodes)),
            )
        if gpus == int(prompts) + int(decodes):
            return _of_gpus(int(prompts), None, False), _of_gpus(int(decodes), None, True)
        each = 0 if gpus is None else gpus // max(int(prompts) + int(decodes), 1)
        if each and int(prompts) and int(decodes):
            return (
                Cut(each, 1, replicas=int(prompts), attention_open=True),
                Cut(each, 1, replicas=int(decodes), attention_open=True),
            )
    instances = re.match(r"(\d+) prefill \+ (\d+) decode instances", text)
    if instances and gpus is not None:
        prompts_n, decodes_n = (int(part) for part in instances.groups())
        decode_gpus = USUAL_DECODE_RANKS * decodes_n
        each = max((gpus - decode_gpus) // prompts_n, 1)
        return Cut(1, each, ep=each, replicas=prompts_n), Cut(
            1, USUAL_DECODE_RANKS, ep=USUAL_DECODE_RANKS, replicas=decodes_n
        )
    return None


def _pool(text: str, decodes: bool) -> Cut | None:
    sized = re.match(r"(\d+) GPU, (TP|EP)=(\d+)", text)
    if sized:
        return _of_gpus(int(sized[1]), int(sized[3]), decodes)
    cut = _one_replica(text.replace(",", " "))
    if cut is not None and cut.ep == cut.tp >= USUAL_DECODE_RANKS:
        # Experts over eight ranks or more come with data-parallel attention (vLLM's wide recipes).
        return Cut(1, cut.tp, ep=cut.ep, replicas=0)
    return None if cut is None else Cut(cut.tp, cut.dp, cut.pp, cut.ep, 0, attention_open=cut.ep > 1)


def _of_gpus(gpus: int, ranks: int | None, decodes: bool) -> Cut:
    """Return a pool of `gpus` accelerators of which one kind of rank is known."""
    if not decodes:
        each = min(ranks or LARGEST_PROMPT_RANKS, LARGEST_PROMPT_RANKS)
        each = next(size for size in (each, 8, 4, 2, 1) if size <= gpus and gpus % size == 0)
        return Cut(each, 1, ep=each, replicas=gpus // each, attention_open=True)
    if ranks is not None and ranks > USUAL_DECODE_RANKS:
        return Cut(1, ranks, ep=ranks, replicas=max(gpus // ranks, 1))
    each = ranks if ranks is not None and ranks > 1 else USUAL_DECODE_RANKS
    each = next(size for size in (each, 8, 4, 2, 1) if size <= gpus and gpus % size == 0)
    ep = 1 if ranks == 1 else each
    return Cut(each, 1, ep=ep, replicas=gpus // each, attention_open=True)
