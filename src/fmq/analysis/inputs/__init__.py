"""Read and check the inputs of tables and figures: episodes, scores, metrics and provenance."""
