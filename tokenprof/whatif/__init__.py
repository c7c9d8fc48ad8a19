"""What a run would have cost with one thing changed: levers, predictions, suggestions."""
