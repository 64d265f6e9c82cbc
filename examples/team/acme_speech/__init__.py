"""Models of a team that agreed on how they start."""
