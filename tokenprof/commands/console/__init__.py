"""What every command shares: its parser, its options, its tables, its output, its errors and exit codes."""
