"""Fleets of live sessions: hits, spare room, busy prompts, and the rows of two measured cliffs."""

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tokenprof.hw_model.catalogue.lookup import find_chip, find_model
from tokenprof.hw_model.equations.constants import fitted
from tokenprof.hw_model.equations.deployment import Deployment
from tokenprof.hw_model.equations.prefill import prefill
from tokenprof.hw_model.equations.timing import overhead_s
from tokenprof.hw_model.measured.point_rows import parse_points
from tokenprof.hw_model.service.prefix_cache import USUAL_HITS, computed_tokens, hits, spare_room
from tokenprof.hw_model.service.sessions import agent_service, busy_prompt_s

POINTS = Path(__file__).parents[2] / "benchmarks" / "data" / "serving_points.csv"


def test_of_very_many_contexts_the_hits_are_the_cube_of_the_room():
    assert float(hits(0.5, 1e9)) == pytest.approx(0.125, abs=1e-4)
    assert float(hits(1.1, 1e9)) == pytest.approx(1.0, abs=1e-4)


def test_a_few_contexts_miss_before_their_mean_need_is_the_room():
    assert float(hits(1.0, 16.0)) < 0.95
    assert float(hits(1.0, 16.0)) < float(hits(1.0, 256.0)) < float(hits(1.0, 1e9))
    assert float(hits(100.0, 1.0)) == pytest.approx(1.0)


def test_the_spare_room_is_what_the_usual_hits_take():
    contexts = np.array([1.0, 16.0, 256.0, 1e9])
    room = spare_room(contexts)
    assert np.all(np.diff(room) <= 0.0)
    assert hits(room[:3], contexts[:3]) == pytest.approx(np.full(3, USUAL_HITS), abs=0.01)
    # A hit rate of 0.96 at room for 0.986 of the need: 0.986 cubed.
    assert room[-1] == pytest.approx(1.0, abs=0.02)


def test_prompts_fill_groups_and_stages_and_share_launches():
    c = fitted()
    plan = Deployment(find_model("kimi-k2.5"), find_chip("b200"), tp=8).plan()
    work = float(prefill(plan, 2048.0, 10_000.0, c).work_s)
    assert float(busy_prompt_s(plan, 2048.0, 10_000.0, 0.0, c)) == pytest.approx(work)
    # 2,048 tokens are a quarter of a chunk, and pay a quarter of its launches.
    launches = float(overhead_s(plan, c)) / 4.0
    assert float(busy_prompt_s(plan, 2048.0, 10_000.0, 1.0, c)) == pytest.approx(work + launches)
    two = replace(plan, stages=2.0)
    staged = float(prefill(two, 2048.0, 10_000.0, c).work_s)
    assert float(busy_prompt_s(two, 2048.0, 10_000.0, 0.0, c)) == pytest.approx(staged / 2.0)


def test_vllm_computes_half_a_checkpoint_of_linear_attention_again():
    base = Deployment(find_model("kimi-k3"), find_chip("b300"), tp=8, engine="vllm")
    assert float(computed_tokens(base.plan(), 100_000.0, 1_000.0)) == 17_384.0
    assert float(computed_tokens(base.plan(), 500.0, 1_000.0)) == 1_500.0
    assert float(computed_tokens(replace(base, engine="sglang").plan(), 100_000.0, 1_000.0)) == 1_000.0
    plain = replace(base, shape=find_model("kimi-k2.5")).plan()
    assert float(computed_tokens(plain, 100_000.0, 1_000.0)) == 1_000.0


def test_layers_that_share_an_index_launch_it_once():
    assert Deployment(find_model("glm-5"), find_chip("b200")).plan().indexes == 78.0
    assert Deployment(find_model("glm-5.2"), find_chip("b200")).plan().indexes == 19.5
    assert Deployment(find_model("kimi-k2.5"), find_chip("b200")).plan().indexes == 0.0


@pytest.mark.parametrize(("sessions", "measured"), [("12", 0.936), ("16", 0.584)])
def test_a_measured_cliff_of_hits_is_where_the_memory_of_the_prompt_pool_ends(sessions, measured):
    with POINTS.open(encoding="utf-8-sig") as file:
        rows = [
            row
            for row in csv.DictReader(file)
            if row["model"] == "GLM-5.2" and row["parallelism"] == "2P+2D" and row["concurrency"] == sessions
        ]
    (point,), _ = parse_points(rows, fitted())
    served = agent_service(point.service.pools, point.agentic.load, fitted(), point.agentic.parking)
    assert float(np.ravel(served.hit_rate)[0]) == pytest.approx(measured, abs=0.1)
