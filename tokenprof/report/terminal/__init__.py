"""The report and the chain as text for a terminal."""
