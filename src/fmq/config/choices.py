"""Words that settings may take; unlike the settings, they need no other package."""

from typing import Literal

Activation = Literal["gelu", "silu"]
"""The activation of hidden layers; gelu is its tanh approximation."""
Aggregate = Literal["mean", "min"]
"""How values of the two critics are combined."""
Completion = Literal["flow_map", "diagonal"]
"""How QGBS completes re-noised copies; diagonal is the authors' released code."""
