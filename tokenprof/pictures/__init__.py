"""What people would rather look at than read: the page, figures, exchange formats and the live view."""
