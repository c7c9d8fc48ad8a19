"""Ids of traces and spans."""

from __future__ import annotations

import os
import random

import pytest

from tokenprof.record.background.fresh_ids import SPAN_BYTES, TRACE_BYTES, fresh_id


def test_ids_have_the_lengths_of_opentelemetry_and_do_not_repeat() -> None:
    assert (len(fresh_id(TRACE_BYTES)), len(fresh_id(SPAN_BYTES))) == (32, 16)
    assert len({fresh_id() for _ in range(10_000)}) == 10_000


def test_a_host_that_seeds_pythons_generator_changes_no_id_and_sees_the_same_numbers() -> None:
    random.seed(1)
    alone = random.random()
    random.seed(1)
    first = fresh_id()
    assert random.random() == alone
    random.seed(1)
    assert fresh_id() != first


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
def test_a_forked_process_has_ids_of_its_own() -> None:
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.write(writing, fresh_id().encode())
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reading, 16).decode() != fresh_id()
    os.close(reading)
    os.close(writing)
