"""What holds for every test."""

from __future__ import annotations

import atexit
import os
import tempfile

import pytest
from hypothesis import HealthCheck, settings

from tokenprof.record.background.counting_process import COUNTING_PROCESS
from tokenprof.record.background.end_waits import VARIABLE

_OF_THE_MACHINE = (
    *("TOKENPROF_", "OTEL_", "XDG_", "CLAUDE_"),
    *("ANTHROPIC_", "OPENAI_", "GOOGLE_", "GEMINI_", "AWS_"),
    *("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "CI", "GITHUB_"),
    *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"),
)

# No setting, key, proxy or width of a terminal reaches a test, except what CI says that it has installed.
for _name in list(os.environ):
    if _name.upper().startswith(_OF_THE_MACHINE) and _name != "TOKENPROF_TESTS_NEED":
        del os.environ[_name]

# The secret of the digests is made in a folder of the tests' own, and not in the user's home.
_STATE = tempfile.TemporaryDirectory()
atexit.register(_STATE.cleanup)
os.environ["XDG_STATE_HOME"] = _STATE.name

# No test writes into the user's cache folder.
os.environ["TOKENPROF_CACHE"] = "off"

# On the slowest machine, a recording is whole when its block ends. Tests of the waits set their own.
os.environ[VARIABLE] = "120"

# No test asserts a time. Every machine tries the same examples; `--hypothesis-profile=explore` tries others.
_SLOW = (HealthCheck.too_slow, HealthCheck.function_scoped_fixture)
settings.register_profile("tokenprof", deadline=None, derandomize=True, suppress_health_check=_SLOW)
settings.register_profile("explore", settings.get_profile("tokenprof"), derandomize=False)
settings.load_profile("tokenprof")


@pytest.fixture(scope="session", autouse=True)
def _vocabularies() -> None:
    """Load the vocabularies once, while nothing is recorded."""
    COUNTING_PROCESS.count(["a"])
