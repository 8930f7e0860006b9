"""Conversations: messages, variants, branches."""
