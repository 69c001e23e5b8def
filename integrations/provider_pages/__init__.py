"""A page for each provider, made from its file: how staff set it up, and what a partner's engineer should know."""
