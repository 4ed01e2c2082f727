"""Who may search what: principals, their keys, and the condition that every query of theirs carries."""
