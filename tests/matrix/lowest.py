"""The lowest releases that pyproject.toml admits, in an environment of their own, held to our own tests.

python tests/matrix/lowest.py [TESTS …]

The other end, the current release of every client, is tests/matrix/run.py.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
import venv
from collections.abc import Sequence

from run import ENVIRONMENTS, ROOT, install

EXTRAS = ("store", "figures", "live")
"""Not Spark, ClickHouse and S3: they are large, and what they share with the others is in `store`."""

PLATFORMS = "[bedrock,vertex]"
TOOLS_OF_THE_TESTS = (
    *("pytest", "pytest-asyncio", "pytest-xdist", "pytest-rerunfailures", "hypothesis", "jsonschema"),
    *("aiohttp", "google-genai", "boto3", "opentelemetry-exporter-otlp-proto-http"),
)
TESTS = ("tests/harness", "tests/live", "tests/pricing", "tests/store/test_totals_of_files.py")
LEFT_OUT = ("tests/harness/frameworks",)
"""Each framework has needs of its own, which tests/matrix/run.py installs."""

_NEED = re.compile(r"(?P<name>[\w-]+)>=(?P<release>[\d.]+)")


def lowest(need: str) -> str:
    """Return a requirement that only the lowest release it admits meets. Raises ValueError if it has none."""
    if not (found := _NEED.match(need)):
        raise ValueError(f"pyproject.toml: {need!r} has no lower bound; write it as name>=release")
    extras = PLATFORMS if found["name"] == "anthropic" else ""
    return f"{found['name']}{extras}=={found['release']}"


def main(tests: Sequence[str]) -> int:
    """Install the lowest releases unless they are there, and run tests with them; returns pytest's status."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needs = sum((project["optional-dependencies"][extra] for extra in EXTRAS), project["dependencies"])
    asked = (*map(lowest, needs), *TOOLS_OF_THE_TESTS)
    folder = ENVIRONMENTS / "lowest"
    python, stamp = folder / "bin" / "python", folder / "installed.txt"
    if not stamp.exists() or stamp.read_text() != "\n".join(asked):
        venv.create(folder, with_pip=True, clear=True)
        install(python, (*asked, "--editable", str(ROOT)))
        stamp.write_text("\n".join(asked))
    options = ["-q", "-n", "auto", "--dist", "worksteal", *(f"--ignore={left_out}" for left_out in LEFT_OUT)]
    command = [python, "-m", "pytest", *options, *(tests or TESTS)]
    environment = os.environ | {"PYTHONDONTWRITEBYTECODE": ""}
    return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
