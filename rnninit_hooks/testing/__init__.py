"""Hypothesis strategies for recurrent modules and policies, and one assertion. Needs the extra `testing`."""

from rnninit_hooks.testing.assertions import assert_obeys, fingerprint
from rnninit_hooks.testing.strategies import gated_modules, models, policies, sample_input

__all__ = ["assert_obeys", "fingerprint", "gated_modules", "models", "policies", "sample_input"]
