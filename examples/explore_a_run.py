"""Look at a run from Python, as in a notebook: each `# %%` is a cell.

python examples/explore_a_run.py         # needs no key: the run is recorded against a loopback provider
"""

# %% Record a run (yours exists already: a recording, or a session of Claude Code or Codex)

import anthropic

import tokenprof
from tokenprof.testing import LoopbackProvider
from tokenprof.testing.loop import run_loop, workload

work = workload()
with (
    LoopbackProvider(list(work.replies)) as provider,
    tokenprof.profile("explored.jsonl", tags={"task": "tidy"}),
    anthropic.Anthropic(api_key="none", base_url=provider.url) as client,
):
    run_loop(client, work)

# %% Load and analyse it

analysis = tokenprof.load("explored.jsonl").analyze()
print(analysis)

# %% What it was billed, exactly, and what it cost to compute, as a range

totals = analysis.totals
print(f"{totals.turns} turns billed ${totals.billed_usd}")
if totals.price_to_cost is not None:
    print(f"billed {totals.price_to_cost.mid:.1f} times its compute")

# %% The five most expensive blocks of the context

ranked = sorted(analysis.blocks, key=lambda block: block.billed_usd or 0, reverse=True)
for block in ranked[:5]:
    print(f"{block.kind:<12} {block.name:<20} {block.billed_tokens:>9,} tokens  ${block.billed_usd}")

# %% What stands out

for finding in analysis.findings:
    print(finding.severity, finding.code, finding.saves_usd)

# %% Turn by turn, as a data frame of pandas, polars or pyarrow

turns = analysis.to_frame("turns")
print(turns[["index", "context_tokens", "billed_usd", "hardware_usd_mid"]])

# %% The same run with your own prices, or on your own hardware

on_my_racks = tokenprof.load("explored.jsonl").analyze(deployment="deepseek-v3@8xh200", usd_per_gpu_hour=2.5)
print(on_my_racks.totals.hardware_usd)

# %% Keep the report, and read it again

analysis.save("explored.json")
report = tokenprof.load_report("explored.json")
assert report.rows.totals.billed_usd == totals.billed_usd
