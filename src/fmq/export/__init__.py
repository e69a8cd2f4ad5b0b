"""Export of policies from a study, and import of policies of the paper's authors."""
