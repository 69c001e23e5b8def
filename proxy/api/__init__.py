"""The proxy's public contract: DRF views that authenticate, refuse and hand over to the forwarder."""
