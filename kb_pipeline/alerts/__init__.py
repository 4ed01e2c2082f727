"""Telling a webhook what needs a person: what a message says, and how it is delivered."""
