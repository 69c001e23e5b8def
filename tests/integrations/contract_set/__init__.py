"""One set of tests that every entry of the catalogue inherits: its file of replies is all that it has to bring."""
