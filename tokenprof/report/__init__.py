"""Reports: the JSON object that `docs/report.md` fixes, and what renders it."""
