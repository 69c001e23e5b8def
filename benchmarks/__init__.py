"""Measurements: ratios within one run, on real processes and real databases. Never part of the tests."""
