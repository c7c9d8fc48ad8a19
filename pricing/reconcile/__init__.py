"""A record beside the provider's own usage and cost exports."""
