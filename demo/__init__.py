"""`make run`: the embedded default and the HubSpot sandbox in the foreground, from a bare clone."""
