"""The sentences and the JSON of comparisons, what-ifs and suggestions."""
