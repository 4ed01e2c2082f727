"""The search server: a JSON API and one search page, on the loopback interface."""
