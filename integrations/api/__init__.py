"""The partner's API: our own under `/api/v1`, StackGo's under `/api` (contract sections 3 and 5)."""
