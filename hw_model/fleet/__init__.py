"""The fleet of an operator who chooses: layouts, and what the chosen deployment costs."""
