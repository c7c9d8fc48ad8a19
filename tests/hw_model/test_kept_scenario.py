"""A scenario from memory is the drawn one, to the last bit; and draws are chosen for one by one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from datetime import date

import numpy as np
import pytest

from tokenprof.hw_model import cost
from tokenprof.hw_model.catalogue.lookup import chips
from tokenprof.hw_model.cost import RentedHours, RentOfChip, ServingScenario, ServingSettings, TurnWork
from tokenprof.hw_model.equations.constants import fitted
from tokenprof.hw_model.equations.turn_work import MeanTurn
from tokenprof.hw_model.fleet.architectures import draw_closed, host_of
from tokenprof.hw_model.fleet.closed_model_classes import CLASSES
from tokenprof.hw_model.fleet.one_layout import Host
from tokenprof.hw_model.fleet.operator_choice import choose, fits_somewhere

TURNS = [TurnWork(20_000, 500, 300, 9.0, 3.0, 1.0), TurnWork(20_500, 400, 250, 8.0)]
RENTED = ServingSettings(
    rents=RentedHours("on demand", {"H100": RentOfChip(1.5, 2.2, 3.9, "a list")}), pays_rent=True
)


class Memory:
    def __init__(self) -> None:
        self.answers: dict[str, bytes] = {}
        self.made = 0

    def __call__(self, question: str, make: Callable[[], bytes]) -> bytes:
        if question not in self.answers:
            self.answers[question] = make()
            self.made += 1
        return self.answers[question]


def scenario(model: str = "claude-opus-4-5", **settings: object) -> ServingScenario:
    return cost.scenario_for("anthropic", model, turns=TURNS, draws=300, **settings)  # type: ignore[arg-type]


def assert_same(one: ServingScenario, other: ServingScenario) -> None:
    assert one.description == other.description
    assert (one.provider, one.model, one.sampled) == (other.provider, other.model, other.sampled)
    assert one.replaced == other.replaced
    assert one.hours.basis == other.hours.basis
    pairs = [*zip(one.rates.by_basis.values(), other.rates.by_basis.values(), strict=True)]
    assert list(one.drawn) == list(other.drawn)
    pairs += zip(one.drawn.values(), other.drawn.values(), strict=True)
    for name in ("paid_usd", "rent_usd", "utilisation", "service_factor"):
        pairs.append((getattr(one.hours, name), getattr(other.hours, name)))
    pairs.append((one.hours.owner.total_usd, other.hours.owner.total_usd))
    for left, right in pairs:
        assert (left is None) == (right is None)
        if left is not None:
            assert np.asarray(left).dtype == np.asarray(right).dtype
            assert np.asarray(left).tobytes() == np.asarray(right).tobytes()


@pytest.mark.parametrize("model", ["claude-opus-4-5", "deepseek-v3"])
@pytest.mark.parametrize("settings", [None, RENTED, ServingSettings(chip="h100", usd_per_gpu_hour=2.0)])
def test_a_remembered_scenario_is_the_drawn_one(model: str, settings: ServingSettings | None) -> None:
    memory, drawn = Memory(), scenario(model, settings=settings)
    assert_same(scenario(model, settings=settings, remember=memory), drawn)
    found = scenario(model, settings=settings, remember=memory)
    assert memory.made == 1
    assert_same(found, drawn)
    work = found.features(TURNS[0], part="decode")
    assert found.usd(work) == drawn.usd(work)
    assert found.usd(work, "owned") == drawn.usd(work, "owned")


def test_whatever_a_scenario_follows_from_is_part_of_the_question(monkeypatch: pytest.MonkeyPatch) -> None:
    memory = Memory()
    scenario(remember=memory)
    for number, changed in enumerate(
        (
            {"model": "claude-haiku-4-5"},
            {"settings": ServingSettings(utilisation=0.4)},
            {"when": date(2025, 1, 1)},
            {"seed": 1},
        ),
        start=2,
    ):
        scenario(**changed, remember=memory)  # type: ignore[arg-type]
        assert memory.made == number
    monkeypatch.setattr(cost, "code_version", lambda: "another version")
    scenario(remember=memory)
    assert memory.made == 6


@pytest.mark.parametrize("kept", [b"", b"\x02\0\0\0\0\0\0\0{}", b"\xff" * 30])
def test_bytes_that_hold_no_scenario_are_drawn_again(kept: bytes) -> None:
    assert_same(scenario(remember=lambda question, make: kept), scenario())


def test_nothing_is_remembered_of_code_that_cannot_be_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cost, "code_version", lambda: None)
    memory = Memory()
    scenario(remember=memory)
    assert memory.made == 0


def test_a_draw_is_chosen_for_alone() -> None:
    rng, draws = np.random.default_rng(7), 60
    chip = rng.integers(0, len(chips()), draws).astype(float)
    _, whole = draw_closed(CLASSES["opus"], chip, rng)
    turn, host = MeanTurn(60_000.0, 900.0, 300.0, 3.8), host_of(chip)
    acceptance, token_s = rng.uniform(0.2, 0.8, draws), rng.uniform(0.01, 0.05, draws)
    (together,) = choose(whole, host, turn, [token_s], acceptance, fitted())
    fits = fits_somewhere(whole, host, turn, draws)
    assert fits.tolist() == together.fits.tolist()
    assert fits.sum() > 0
    for at in range(0, draws, 7):
        one = slice(at, at + 1)
        alone_plan = type(whole)(
            **{f.name: v[one] if np.ndim(v := getattr(whole, f.name)) else v for f in fields(whole)}
        )
        alone_host = Host(np.asarray(host.scaleup_world)[one], np.asarray(host.memory_bytes)[one])
        (alone,) = choose(alone_plan, alone_host, turn, [token_s[one]], acceptance[one], fitted())
        assert alone.fits[0] == together.fits[at]
        assert alone.seconds_per_turn[0] == pytest.approx(together.seconds_per_turn[at], rel=1e-12)
        assert np.asarray(alone.plan.accelerators)[0] == np.asarray(together.plan.accelerators)[at]
