"""What can be changed about a run, one file for each lever."""
