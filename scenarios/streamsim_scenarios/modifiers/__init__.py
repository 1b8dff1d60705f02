"""Modifiers of any stream, one a file; each is a pure function from one stream to another."""
