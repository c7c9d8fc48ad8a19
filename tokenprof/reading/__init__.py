"""Files of any known format into one `Run`."""
