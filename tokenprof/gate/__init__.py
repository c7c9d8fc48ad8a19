"""Cost regressions fail the build and say why: budgets, baselines, comparison, causes (docs/gate.md)."""

DEFAULT_BASELINE = "tokenprof-baseline.json"
"""The file that holds what scenarios cost, in the project's root, unless the user names another one."""
