"""Cost regressions fail the build, with the reason: budgets, baselines, comparison, causes (docs/gate.md)."""
