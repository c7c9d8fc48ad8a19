"""tokenprof beside other tools on the same Claude Code sessions: MB/s of CPU time, and peak memory.

    python benchmarks/speed/rivals_speed.py [--like SESSIONS…] [--megabytes 100]
    python benchmarks/speed/rivals_speed.py --corpus FOLDER

The corpus is made by `cloned_corpus.py` (by default out of the logs in tests/data), unless `--corpus` names
one. The other tools are installed from
their registries into a folder of their own: ccusage (npm; totals), claude-context-cost (pip; tokens by
source, without money). Everything is measured in one run, each in a process of its own, start included, over
the whole tree of processes; `parse` is what reading the same lines with orjson takes. Results go to
`benchmarks/results/rivals_speed.json`, with machine, date and versions.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from cloned_corpus import sessions_in, write_copies
from process_tree import Measured, measured

HERE = Path(__file__).parents[1]
sys.path.insert(0, str(HERE))
from long_runs import machine  # noqa: E402
from session_corpus import LOGS  # noqa: E402

RESULTS = HERE / "results" / "rivals_speed.json"
CCUSAGE = "20.0.23"
"""The newest version whose native part is in the registry that was used."""

PARSE = """
import sys, pathlib, orjson
for path in pathlib.Path(sys.argv[1]).rglob("*.jsonl"):
    for line in path.open("rb"):
        orjson.loads(line)
"""


def installed(folder: Path) -> dict[str, list[str]]:
    """Install the other tools and return how each is called; one that cannot be installed is left out."""
    found: dict[str, list[str]] = {}
    packages = [f"ccusage@{CCUSAGE}", f"@ccusage/ccusage-linux-x64@{CCUSAGE}"]
    npm = ["npm", "install", "--silent", "--no-fund", "--no-audit", "--prefix", str(folder), *packages]
    if shutil.which("npm") and subprocess.run(npm, capture_output=True).returncode == 0:
        found[f"ccusage {CCUSAGE}"] = [
            str(folder / "node_modules/.bin/ccusage"),
            "daily",
            "--offline",
            "--json",
        ]
    python = folder / "venv" / "bin"
    subprocess.run([sys.executable, "-m", "venv", str(folder / "venv")], check=True)
    pip = [str(python / "pip"), "install", "--quiet", "claude-context-cost"]
    if subprocess.run(pip, capture_output=True).returncode == 0:
        command = str(python / "claude-context-cost")
        version = subprocess.run([command, "--version"], capture_output=True, text=True).stdout.split()[-1]
        found[f"claude-context-cost {version}"] = [command, "--json"]
    return found


def as_projects(corpus: Path, folder: Path) -> Path:
    """Lay the corpus out as Claude Code does, as links, and return the folder with its settings."""
    project = folder / "config" / "projects" / "corpus"
    for file in corpus.rglob("*.jsonl"):
        target = project / file.relative_to(corpus)
        target.parent.mkdir(parents=True, exist_ok=True)
        os.link(file, target)
    return folder / "config"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--corpus", type=Path)
    parser.add_argument("--like", type=Path, nargs="+", default=[LOGS])
    parser.add_argument("--megabytes", type=float, default=100.0)
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        corpus = options.corpus or folder / "corpus"
        if options.corpus is None:
            write_copies(corpus, sessions_in(options.like), options.megabytes)
        megabytes = sum(file.stat().st_size for file in corpus.rglob("*.jsonl")) / 1e6
        environment = {"TOKENPROF_CACHE": "off", "PYTHONPATH": str(HERE.parent)}
        config = as_projects(corpus, folder)
        report = [sys.executable, "-m", "tokenprof", "report", str(corpus), "--jobs"]
        runs: dict[str, tuple[list[str], dict[str, str]]] = {
            "parse (orjson)": ([sys.executable, "-c", PARSE, str(corpus)], {}),
            "tokenprof totals": ([sys.executable, "-m", "tokenprof", "totals", str(corpus)], environment),
            "tokenprof report": ([*report, "1"], environment),
            f"tokenprof report --jobs {options.jobs}": ([*report, str(options.jobs)], environment),
        }
        for name, command in installed(folder).items():
            path = [] if "ccusage" in name else [str(corpus)]
            runs[name] = ([*command, *path], {"CLAUDE_CONFIG_DIR": str(config)})
        rows = {}
        print(f"{megabytes:.1f} MB\n{'':32}   CPU s   MB/s of CPU   wall s   peak MB")
        for name, (command, more) in runs.items():
            row = rows[name] = measured(command, more)
            rate = megabytes / row.cpu_s
            print(f"{name:32} {row.cpu_s:7.2f} {rate:13.1f} {row.wall_s:8.2f} {row.peak_mb:9.0f}", flush=True)
        write(rows, megabytes)


def write(rows: dict[str, Measured], megabytes: float) -> None:
    """Write the results, with what they were measured on."""
    made = {
        "made": datetime.now(UTC).isoformat(timespec="minutes"),
        "machine": machine(),
        "load_1_min": os.getloadavg()[0],
        "megabytes": round(megabytes, 1),
        "runs": {
            name: {key: round(value, 2) for key, value in asdict(row).items() if key != "output"}
            for name, row in rows.items()
        },
    }
    RESULTS.write_text(json.dumps(made, indent=2) + "\n")


if __name__ == "__main__":
    main()
