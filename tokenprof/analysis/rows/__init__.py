"""The tables of an analysis: the types of their rows, and how each table is made."""
