"""The engine: session, context, turn."""
