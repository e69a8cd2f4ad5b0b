"""`fmq doctor`: what this machine lacks for a study, and what to do about it."""
