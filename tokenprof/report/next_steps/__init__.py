"""What to look at next: the text and the JSON of comparisons."""
