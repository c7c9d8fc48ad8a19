"""The object in the middle: a run and assumptions in, everything derived from them out."""
