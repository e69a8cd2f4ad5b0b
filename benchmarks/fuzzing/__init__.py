"""Parts of `benchmarks/fuzz.py`: damage to files, readers with their inputs, and judges."""
