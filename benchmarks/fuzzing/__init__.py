"""The parts of `fuzz.py`: damage to files, what is fed to which reader, and judges."""
