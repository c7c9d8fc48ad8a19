"""Logs and exports of gateways and observability services."""
