"""What the text of a deployment means, and what any other text is told."""

from __future__ import annotations

import pytest

from tokenprof.hw_model.catalogue.lookup import UnknownChipError
from tokenprof.hw_model.equations.deployment_error import DeploymentError
from tokenprof.hw_model.equations.deployment_text import parse_deployment


@pytest.mark.parametrize(
    ("text", "chip", "cut"),
    [
        ("deepseek-v3@8xh200:tp=8", "H200", (8, 1, 1, 1)),
        (" deepseek-v3@8 × h200:tp=8 ", "H200", (8, 1, 1, 1)),
        ("kimi-k2.5@8xh200:dp=8,ep=8", "H200", (1, 8, 8, 1)),
        ("llama-3.1-405b@16xh200:tp=8,pp=2,weights=fp8", "H200", (8, 1, 1, 2)),
        ("deepseek-v3:tp=8", "H200", (8, 1, 1, 1)),
        ("llama-3.1-70b@h100:weights=fp8,tp=4", "H100", (4, 1, 1, 1)),
    ],
)
def test_a_text_names_model_chip_and_cut(text: str, chip: str, cut: tuple[int, ...]) -> None:
    found = parse_deployment(text)
    assert chip in found.chip.name
    assert (found.tp, found.dp, found.ep, found.pp) == cut


@pytest.mark.parametrize(
    "text",
    [
        "",
        "@8xh200",
        "deepseek-v3@",
        "a@b@c",
        "deepseek-v3@8xh200:tp",
        "deepseek-v3@8xh200:",
        "m@h200:tp=8@h100",
    ],
)
def test_what_is_not_a_deployment_says_how_one_is_written(text: str) -> None:
    with pytest.raises(DeploymentError, match="write MODEL@COUNTxCHIP:OPTION=VALUE"):
        parse_deployment(text)


@pytest.mark.parametrize("count", ["0", "²", "٣", "9" * 5_000])
def test_a_count_that_cannot_be_meant_is_refused(count: str) -> None:
    with pytest.raises(DeploymentError, match="tp must be a whole number above 0"):
        parse_deployment(f"deepseek-v3@8xh200:tp={count}")
    with pytest.raises((DeploymentError, UnknownChipError)):
        parse_deployment(f"deepseek-v3@{count}xh200")
