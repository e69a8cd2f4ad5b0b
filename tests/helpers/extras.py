"""What tests need beyond the default study's packages."""

from importlib.util import find_spec

import pytest

needs_robosuite = pytest.mark.skipif(
    find_spec("robosuite") is None, reason="no robosuite here: make install-robomimic"
)
