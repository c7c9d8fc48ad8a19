"""The object in the middle: a run and the assumptions about it go in, everything derived comes out."""
