"""The traffic log: what each call through the proxy was, kept in batches off the hot path, without its content."""
