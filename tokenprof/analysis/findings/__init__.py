"""What stands out in a run. A new finding is a function here, its figures, a row in `FINDINGS` and a sentence."""
