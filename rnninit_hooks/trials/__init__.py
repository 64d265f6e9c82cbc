"""What a module would do with a candidate value on its first batch: measured on the side, writing and disturbing nothing."""

from rnninit_hooks.trials.choosing import obstacle, trial_of
from rnninit_hooks.trials.given import Given

__all__ = ["Given", "obstacle", "trial_of"]
