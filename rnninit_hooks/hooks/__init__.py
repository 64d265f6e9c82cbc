"""When a policy is applied: on attach, at the first forward, when a class builds an instance, in a whole process."""

from rnninit_hooks.hooks.attach import Handle, attach
from rnninit_hooks.hooks.calibrate import calibrate
from rnninit_hooks.hooks.decorate import initialized
from rnninit_hooks.hooks.enforce import enforced
from rnninit_hooks.hooks.materialize import materialize

__all__ = ["Handle", "attach", "calibrate", "enforced", "initialized", "materialize"]
