"""What a study costs, before it runs: its jobs, their work, and a short measurement."""
