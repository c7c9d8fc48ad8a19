"""Generated prose, code and JSON; the same seed gives the same text."""

from __future__ import annotations

import random

import orjson

_SUBJECTS = ("The invoice", "Our supplier", "A customer", "The second shipment", "Nobody", "The audit team")
_VERBS = ("asked for", "has confirmed", "declined", "is waiting on", "misplaced", "re-opened", "forwarded")
_OBJECTS = ("the revised offer", "three missing receipts", "a new delivery date", "the signed contract")
_ENDINGS = ("before Friday", "without a reason", "as agreed in March", "for the third time", "by e-mail")
_NAMES = ("total", "count", "path", "entry", "window", "cursor", "label", "offset", "batch", "ratio")


def prose(rng: random.Random, sentences: int) -> str:
    """Return a number of plain sentences."""
    return " ".join(
        f"{rng.choice(_SUBJECTS)} {rng.choice(_VERBS)} {rng.choice(_OBJECTS)} {rng.choice(_ENDINGS)}."
        for _ in range(sentences)
    )


def code(rng: random.Random, functions: int) -> str:
    """Return a number of small Python functions."""
    parts = []
    for number in range(functions):
        first, second = rng.sample(_NAMES, 2)
        parts.append(
            f"def {first}_of_{second}_{number}({first}: int, {second}: list[float]) -> float:\n"
            f'    """Return the {first} of the {second}."""\n'
            f"    if {first} < {rng.randint(2, 99)}:\n"
            f"        return sum({second}[:{first}]) / {rng.randint(2, 9)}.{rng.randint(0, 99):02d}\n"
            f"    return max({second}, default=0.0)\n"
        )
    return "\n\n".join(parts)


def records(rng: random.Random, rows: int) -> str:
    """Return a number of rows as JSON."""
    return orjson.dumps(
        [
            {
                "id": f"msg-{rng.randrange(16**8):08x}",
                "from": f"{rng.choice(_NAMES)}@example.org",
                "subject": prose(rng, 1),
                "unread": rng.random() < 0.5,
                "size": rng.randint(200, 90_000),
            }
            for _ in range(rows)
        ]
    ).decode()


def one_liners(rng: random.Random, count: int) -> str:
    """Return a skills index with a number of lines `- name: what it is for`."""
    lines = [
        f"- {rng.choice(_NAMES)}-{rng.choice(_NAMES)}-{i}: use when {prose(rng, 1).lower()}"
        for i in range(count)
    ]
    return "Skills you can load with read_skill, by name:\n" + "\n".join(lines)
