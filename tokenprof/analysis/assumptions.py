"""What a report assumes about prices and hardware, and where each setting comes from.

Each setting is looked up on its own: an argument (a flag or a Python argument) wins over the environment, the
environment over `[tool.tokenprof]` in the nearest pyproject.toml, and what nobody sets keeps its default.
"""

from __future__ import annotations

import functools
import math
import os
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, cast

from tokenprof.analysis.settings_table import SETTINGS, SettingRow, row_of
from tokenprof.costing.evidence_names import EVIDENCE
from tokenprof.data_classes.frozen import frozen
from tokenprof.facts.errors import InputError
from tokenprof.facts.near_names import did_you_mean
from tokenprof.facts.remembered import remembered

if TYPE_CHECKING:
    from tokenprof.pricing.book import PriceBook

PYPROJECT: Final = "pyproject.toml"

PriceFiles = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]


@frozen
class Assumptions:
    """What a run is costed with; None keeps the default, which `settings_table` names with its source.

    `prices` are the user's price files, later ones winning. `deployment` is a text such as
    `deepseek-v3@8xh200`. `usd_per_gpu_hour` is USD per accelerator-hour. `utilisation` is the share of the
    fleet's hours that are sold, from 0.001 to 1. `seller` is who sold the calls that do not show it, by its
    name in prices, such as `openrouter`. `without_evidence` names published evidence that is not to be used.
    """

    prices: tuple[Path, ...] = ()
    deployment: str | None = None
    usd_per_gpu_hour: float | None = None
    utilisation: float | None = None
    seller: str | None = None
    model: str | None = None
    hours: Literal["own", "rent"] | None = None
    contract: str | None = None
    usd_per_kwh: float | None = None
    cost_of_capital: float | None = None
    life_years: float | None = None
    colo_usd_per_kw_month: float | None = None
    chip: str | None = None
    precision: str | None = None
    kv_precision: str | None = None
    drafts: str | None = None
    pools: str | None = None
    attention: str | None = None
    speed: float | None = None
    tool_latency: float | None = None
    ttl: str | None = None
    supplier: str | None = None
    compute: str | None = None
    path: str | None = None
    aggregator: str | None = None
    credits: float | None = None
    plan: str | None = None
    sessions: float | None = None
    anchor: str | None = None
    training_share: float | None = None
    discount: float | None = None
    overhead: float | None = None
    without_evidence: tuple[str, ...] = ()


def resolve_assumptions(
    *,
    prices: PriceFiles | None = None,
    deployment: str | None = None,
    usd_per_gpu_hour: float | None = None,
    utilisation: float | None = None,
    seller: str | None = None,
    settings: Mapping[str, object] | None = None,
    without_evidence: Sequence[str] = (),
    environ: Mapping[str, str] = os.environ,
    folder: Path | None = None,
) -> Assumptions:
    """Return the settings in force: from the arguments, the environment and pyproject.toml, in this order.

    `settings` holds any of the settings of `settings_table` by name, such as {"hours": "rent"}. What is not
    given is looked up in `environ` (`TOKENPROF_` and the name in capitals, such as `TOKENPROF_UTILISATION`;
    the files of `TOKENPROF_PRICES` are separated as in PATH; an empty variable counts as unset), then in
    `[tool.tokenprof]` of the nearest pyproject.toml from `folder` (default: the current folder) up. An empty
    sequence of `prices` is a setting: no price files.

    Raises InputError for a pyproject.toml that cannot be read, an unknown name (of evidence too), a price
    file that cannot be read, a number outside its range, and a deployment or a chip that does not exist. The
    message names the setting, where it came from and the way out.
    """
    given: dict[str, object] = {
        "prices": prices,
        "deployment": deployment,
        "usd-per-gpu-hour": usd_per_gpu_hour,
        "utilisation": utilisation,
        "seller": seller,
    }
    for name, value in (settings or {}).items():
        if name not in SETTINGS:
            raise InputError(
                f"There is no setting {name!r}.{did_you_mean(name, SETTINGS)} "
                "`tokenprof settings` lists them."
            )
        given[name] = value
    found = {name: _Setting(name, value, "") for name, value in given.items() if value is not None}
    for setting in (*_from_environment(environ), *_from_pyproject(folder or Path.cwd())):
        found.setdefault(setting.name, setting)
    values = {setting.row.field: setting.converted() for setting in found.values()}
    for name in without_evidence:
        if name not in EVIDENCE:
            raise InputError(
                f"There is no evidence {name!r}.{did_you_mean(name, EVIDENCE)} "
                f"There are {', '.join(EVIDENCE)}."
            )
    return Assumptions(**cast(dict[str, Any], values), without_evidence=tuple(without_evidence))


def price_book(assumptions: Assumptions) -> PriceBook:
    """Return the book of list prices with the user's price files on top.

    It is built once for the same files and built again when one of them has changed. Raises InputError for a
    file that cannot be used, naming the table and what is wrong with it.
    """
    from tokenprof.pricing.overlay_toml import OverlayError

    try:
        return _book(assumptions.prices, tuple(_version(path) for path in assumptions.prices))
    except OverlayError as error:
        raise InputError(str(error)) from error


@functools.lru_cache(maxsize=8)
def _book(paths: tuple[Path, ...], versions: tuple[tuple[int, int] | None, ...]) -> PriceBook:
    """Return the book of some files; `versions` is part of the key only."""
    from tokenprof.pricing.book import default_book

    return default_book(paths, functools.partial(remembered, "list-prices"))


def _version(path: Path) -> tuple[int, int] | None:
    """Return what changes with a file's content; None for a file that is missing."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size


@frozen
class _Setting:
    """A value as somebody gave it; `origin` says where, and is empty for an argument."""

    name: str
    value: Any
    origin: str
    folder: Path = Path()

    def fail(self, shown: object, problem: str) -> InputError:
        return InputError(f"{self.name} {shown}{f' ({self.origin})' if self.origin else ''}: {problem}")

    def paths(self) -> tuple[Path, ...]:
        """Return the price files; relative ones are relative to `folder`."""
        items = [self.value] if isinstance(self.value, str | os.PathLike) else self.value
        if not isinstance(items, list | tuple) or not all(
            isinstance(item, str | os.PathLike) for item in items
        ):
            raise self.fail(repr(self.value), 'give a list of files, such as ["prices.toml"].')
        paths = tuple(self.folder / Path(item).expanduser() for item in items)
        for path in paths:
            self._require_text(path)
        return paths

    def _require_text(self, path: Path) -> None:
        try:
            path.read_text("utf-8")
        except UnicodeDecodeError:
            raise self.fail(path, "the file is not UTF-8 text; save it as UTF-8.") from None
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise self.fail(path, f"the file cannot be read ({reason}); correct the name.") from None

    def deployment(self) -> str:
        """Return the deployment, once it is known to exist."""
        from tokenprof.hw_model.equations.deployment_text import parse_deployment

        text = self.value
        if not isinstance(text, str) or not text.strip():
            raise self.fail(repr(text), "give a text such as deepseek-v3@8xh200.")
        try:
            parse_deployment(text)
        except (ValueError, LookupError) as error:
            problem = str(error.args[0]) if error.args else str(error)
            problem = problem.removeprefix(f"{text!r}: ").rstrip(".")
            raise self.fail(
                repr(text), f"{problem}. `tokenprof hw show` lists the models and chips."
            ) from None
        return text

    def name_of_seller(self) -> str:
        """Return the seller; any name may have rows in a price file."""
        if not isinstance(self.value, str) or not self.value.strip():
            raise self.fail(repr(self.value), "give a name as in prices, such as openrouter.")
        return self.value.strip().lower()

    @property
    def row(self) -> SettingRow:
        """The row of the table that this is a value of."""
        found = row_of(self.name)
        assert found is not None
        return found

    def converted(self) -> object:
        """Return the value as `Assumptions` holds it."""
        by_name = {
            "prices": self.paths,
            "deployment": self.deployment,
            "seller": self.name_of_seller,
            "chip": self.chip,
        }
        if self.name in by_name:
            return by_name[self.name]()
        row = self.row
        if row.kind in ("number", "whole"):
            number = self._number(row.low, row.high, row.way_out)
            if row.kind == "whole" and number != int(number):
                raise self.fail(self.value, row.way_out)
            return number
        if not isinstance(self.value, str) or not self.value.strip():
            raise self.fail(repr(self.value), row.way_out)
        text = self.value.strip()
        if row.choices and text not in row.choices:
            raise self.fail(repr(text), f"{row.way_out}{did_you_mean(text, row.choices)}")
        return text

    def chip(self) -> str:
        """Return the chip, once it is known to be in the catalogue."""
        from tokenprof.hw_model.cost import UnknownChipError, find_chip

        if not isinstance(self.value, str) or not self.value.strip():
            raise self.fail(repr(self.value), "give a chip such as gb200.")
        try:
            return find_chip(self.value).name
        except UnknownChipError as error:
            raise self.fail(repr(self.value), f"{error.args[0]}.") from None

    def _number(self, low: float, high: float, way_out: str) -> float:
        try:
            number = math.nan if isinstance(self.value, bool) else float(self.value)
        except (TypeError, ValueError, OverflowError):
            number = math.nan
        if not low <= number <= high:
            raise self.fail(self.value, way_out)
        return number


def _from_environment(environ: Mapping[str, str]) -> Iterator[_Setting]:
    for name in SETTINGS:
        variable = f"TOKENPROF_{name.upper().replace('-', '_')}"
        text = environ.get(variable, "").strip()
        if not text:
            continue
        value = [part for part in text.split(os.pathsep) if part] if name == "prices" else text
        yield _Setting(name, value, f"from {variable}")


def _from_pyproject(folder: Path) -> Iterator[_Setting]:
    """Yield the settings of the nearest pyproject.toml, in `folder` or above it."""
    path = next(
        (path for at in (folder, *folder.resolve().parents) if (path := at / PYPROJECT).is_file()), None
    )
    if path is None:
        return
    try:
        data = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise InputError(
            f"{path} cannot be read ({(error.strerror or str(error)).lower()}), so the settings in it are "
            "unknown; make it readable."
        ) from None
    except (ValueError, RecursionError) as error:
        problem = "not UTF-8 text" if isinstance(error, UnicodeDecodeError) else str(error).rstrip(".")
        raise InputError(f"{path} is not valid TOML ({problem}); correct it.") from None
    tool = data.get("tool", {})
    table = tool.get("tokenprof", {}) if isinstance(tool, dict) else {}
    origin = f"from [tool.tokenprof] in {path}"
    if not isinstance(table, dict):
        raise InputError(
            f"{path}: tool.tokenprof is not a table; write [tool.tokenprof] and settings below it."
        )
    for name, value in table.items():
        if name not in SETTINGS:
            raise InputError(
                f"{path}: [tool.tokenprof] has no setting {name!r}.{did_you_mean(name, SETTINGS)} "
                f"There are {', '.join(SETTINGS)}."
            )
        yield _Setting(name, value, origin, path.parent)
