"""A recording reverse proxy on the loopback interface, and commands profiled from outside."""
