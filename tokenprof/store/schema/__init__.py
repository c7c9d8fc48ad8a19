"""The tables of a store: their columns, types and meanings, and the version of the whole."""
