"""Recorded tables as streams: files to columns, columns to inputs, rows to experiences."""
