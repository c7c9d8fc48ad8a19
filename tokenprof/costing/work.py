"""Work as features summed per model: what is priced once per sampled deployment."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from tokenprof.costing.block_work import ModelWork

Vector = npt.NDArray[np.float64]
Model = tuple[str, str]


@dataclass(slots=True)
class Work:
    """Work summed per model; `missing` says that part of it could not be modelled."""

    by_model: dict[Model, Vector] = field(default_factory=dict)
    missing: bool = False

    def add(self, model: Model, features: Vector) -> None:
        """Add the features of some work on a model."""
        known = self.by_model.get(model)
        self.by_model[model] = features if known is None else known + features


def sum_work(works: Iterable[Work]) -> Work:
    """Return several pieces of work as one."""
    total = Work()
    for work in works:
        total.missing = total.missing or work.missing
        for model, features in work.by_model.items():
            total.add(model, features)
    return total


class WorkByBlock(Mapping[str, Work]):
    """The work of each block by its id, put together when it is asked for."""

    def __init__(self, by_model: Mapping[Model, ModelWork], missing: frozenset[str]) -> None:
        self._by_model = by_model
        self._missing = missing

    def __getitem__(self, block_id: str) -> Work:
        known = {}
        for model, done in self._by_model.items():
            features = done.blocks.known(block_id)
            if features is not None:
                known[model] = features
        if not known and block_id not in self._missing:
            raise KeyError(block_id)
        return Work(known, block_id in self._missing)

    def __iter__(self) -> Iterator[str]:
        return iter(
            {block_id: None for done in self._by_model.values() for block_id in done.blocks}
            | dict.fromkeys(self._missing)
        )

    def __len__(self) -> int:
        return sum(1 for _ in self)
