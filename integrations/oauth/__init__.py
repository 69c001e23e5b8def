"""The OAuth 2.0 client protocol: values in, values out. No Django, no database, no network."""
