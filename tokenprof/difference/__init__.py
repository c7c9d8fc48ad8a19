"""Why two runs cost different amounts: an exact breakdown by cause. The engine; wording is in the report."""
