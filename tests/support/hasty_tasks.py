"""The real tasks, in a hurry to save, so that a test need not train for a minute before it kills them."""

from pruning.tasks import TASKS, Session
from pruning.tasks import recover as recovering
from pruning.tasks import training_log as course

__all__ = ["TASKS", "Session"]
recovering.SAVE_SECONDS = 0.0
course.TELL_SECONDS = 0.0
