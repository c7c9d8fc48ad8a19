"""A run while it grows: its cost, its context and its cache, in a terminal, a status line and a page."""
