"""Forwards one request with a connection's credential."""
