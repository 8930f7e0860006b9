"""The terminal: prompt, streaming, tables, pickers."""
