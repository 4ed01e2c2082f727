"""What the search server answers, a file per subject; every route says which right it needs."""
