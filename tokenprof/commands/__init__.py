"""The command line: one file for each command, a folder for one that has verbs of its own."""
