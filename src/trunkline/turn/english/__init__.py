"""What turn-taking knows of English beyond its word lists: tables made offline, read once at import."""
