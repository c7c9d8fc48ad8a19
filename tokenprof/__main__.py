"""`python -m tokenprof` is the `tokenprof` command."""

from tokenprof.commands.main import main

raise SystemExit(main())
