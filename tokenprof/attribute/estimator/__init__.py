"""How many tokens a text probably has: what is known of a tokenizer, and what a run's bills add to it."""
