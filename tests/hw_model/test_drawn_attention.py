"""What is drawn for the attention of closed models lies among what published models have."""

from statistics import median

import pytest

from tokenprof.hw_model.catalogue.lookup import models
from tokenprof.hw_model.fleet.closed_model_classes import ATTENTION

GROUPED, _, LATENT, _ = ATTENTION


def shapes(kind):
    return [shape for shape in models().values() if {a.kind for _, a in shape.attention} == {kind}]


def pair_flops_over_usual(shape):
    """FLOPs of a pair of positions over those of heads as wide together as the model: 6 * hidden a layer."""
    of_layers = sum(count * attention.prefill_pair_flops for count, attention in shape.attention)
    return of_layers / shape.layers / (6.0 * shape.hidden)


def kv_bytes_a_layer(shape):
    return shape.kv_bytes_per_token("bf16") / shape.layers


@pytest.mark.parametrize(("name", "kind"), [(GROUPED, "gqa"), (LATENT, "latent")])
def test_the_work_of_a_pair_lies_between_published_models(name, kind):
    _, _, pair = ATTENTION[name]
    known = [pair_flops_over_usual(shape) for shape in shapes(kind)]
    assert min(known) <= pair <= max(known)


def test_latent_kv_over_grouped_kv_is_that_of_published_models():
    # 576 of a latent and its rotary part in 2 bytes: 1,152 a layer, against 2 * 8 * 128 * 2 = 4,096.
    latent = [
        kv_bytes_a_layer(shape) for shape in shapes("latent") if shape.name.startswith(("Deep", "Kimi-K2"))
    ]
    assert median(latent) == 1152
    assert median(map(kv_bytes_a_layer, shapes("gqa"))) == 4096
    drawn = ATTENTION[LATENT][1] / ATTENTION[GROUPED][1]
    assert drawn == pytest.approx(1152 / 4096, rel=0.15)
