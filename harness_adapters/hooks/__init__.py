"""Names of agents from frameworks that have them, one file per framework."""
