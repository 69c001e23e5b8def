"""Calls that are taken in now and made later: `Prefer: respond-async` on the envelope (RFC 7240 section 4.1).

A receipt is a row: whatever a worker, a broker or a web process loses, the row is found again. Bottom up:
contents seals and opens, claims says whose a receipt is, outcomes ends one, intake makes one, execution makes
its call, runner makes many at once.
"""
