"""Methods: each one's row of the comparison and its loss in a file; samplers; how both are made."""
