"""The report of a folder of many sessions: its document, and how a terminal shows it."""
