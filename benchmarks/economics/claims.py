"""Write docs/claims.md: what published analyses say, beside what the product computes, row by row.

Figures are computed: from the catalogue, from the demo (which this records) and from a recorded session.

python benchmarks/economics/claims.py SESSION.jsonl [-o docs/claims.md]
"""

from __future__ import annotations

import argparse
import tempfile
from datetime import date
from pathlib import Path

from claim_rows import hardware_rows
from claim_rows_of_runs import at, run_rows

from tokenprof.commands.demo_agent import record_demo

HEAD = """# Published analyses, row by row

What published analyses say, where the product computes it, and how far apart the two are. `python
benchmarks/economics/claims.py SESSION.jsonl` writes this page; the figures are of {today}. The
demo is `tokenprof demo`; the session is a real one of {turns} turns ({billed}). `chain --examples`
has the claims on bills and sites with their differences. A row that holds by construction says so;
"none" as the difference means equal figures. "Same direction" is a weak test: the claim gives no
figure.

| row | claim | command | ours | published | difference | source |
|---|---|---|---|---|---|---|
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("session", type=Path)
    parser.add_argument("-o", "--output", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        demo = Path(folder) / "demo.jsonl"
        record_demo(demo)
        real = at({}, options.session)
        rows = sorted((*hardware_rows(), *run_rows(demo, options.session)), key=lambda row: row.number)
    billed = real.totals.billed_usd
    text = HEAD.format(
        today=date.today().isoformat(), turns=len(real.ledger.run.turns), billed=f"${float(billed or 0):.2f}"
    )
    for row in rows:
        cells = (row.number, row.claim, row.command, row.ours, row.published, row.difference, row.source)
        text += "| " + " | ".join(map(str, cells)) + " |\n"
    if options.output:
        options.output.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
