"""Draw figures in a common style."""
