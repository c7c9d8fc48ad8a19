"""From logs to rows: which files changed, what they hold, which responses another file holds too."""
