"""Whether the closed form solves the problem it claims to: measurements on a study's own runs."""
