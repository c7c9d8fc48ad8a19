"""The published claims about bills and the chain, each recomputed beside what was published."""
