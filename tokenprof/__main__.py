"""`python -m tokenprof` is the `tokenprof` command."""

from tokenprof.commands.main import run_process

raise SystemExit(run_process())
