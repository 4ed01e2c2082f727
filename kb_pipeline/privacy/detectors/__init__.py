"""One module for each family of personal data; `catalogue` holds them all."""
