"""The database: connection, one writer, numbered migrations."""
