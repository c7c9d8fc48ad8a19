"""What the tests of the command line share: the demo's recording, and a price file of the user's."""

from __future__ import annotations

from pathlib import Path

import pytest
from own_price_file import OWN_PRICES


@pytest.fixture(scope="session")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo, recorded: 17,465 tokens in and 188 out."""
    from tokenprof.commands.demo_agent import record_demo

    path = tmp_path_factory.mktemp("demo") / "run.jsonl"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tokenprof.commands.demo_agent.TOKENS_PER_S", 6_000.0)
        record_demo(path)
    return path


@pytest.fixture
def own_prices(tmp_path: Path) -> Path:
    path = tmp_path / "mine.toml"
    path.write_text(OWN_PRICES, encoding="utf-8")
    return path


@pytest.fixture(autouse=True)
def _no_settings_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PRICES", "DEPLOYMENT", "USD_PER_GPU_HOUR", "UTILISATION"):
        monkeypatch.delenv(f"TOKENPROF_{name}", raising=False)
