"""Other tools that read Claude Code sessions, from their registries: ccusage and claude-context-cost.

ccusage (npm, a native program) totals money; claude-context-cost (pip) counts tokens by source.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

CCUSAGE = "20.0.23"
"""The newest version whose native part is in the registry that was used."""


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
