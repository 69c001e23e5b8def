"""The pages that a partner's customers see: confirm, leave, come back, manage (contract section 6)."""
