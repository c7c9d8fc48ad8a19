"""Takes the names of agents from frameworks, with one file per framework."""
