"""`python -m tokenprof` is the `tokenprof` command."""

from tokenprof.cli import main

raise SystemExit(main())
