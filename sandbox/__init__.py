"""A stand-in HubSpot for demos and tests: its own process, on loopback, without Django."""
