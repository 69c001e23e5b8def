"""Backups of the installation's database, and what keeps a restored one from bringing ended grants back."""
