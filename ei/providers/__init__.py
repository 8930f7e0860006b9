"""Providers: the table, one adapter per wire format, keys, retries."""
