"""Run jobs: on this machine's cores today, on other engines behind the same function later."""

from openbasket.engine.local import Outcome, run

__all__ = ["Outcome", "run"]
