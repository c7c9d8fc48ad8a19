"""What runs beside the agent: `profile`, the running cost, metrics."""
