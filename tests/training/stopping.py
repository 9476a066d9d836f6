"""An observer that stops a run, for the tests of resuming."""

import os
import signal

from striate.observer import Observer


class StopAt(Observer):
    """Asks for a stop, as Ctrl-C does, after so many steps."""

    def __init__(self, steps):
        self.left = steps

    def step(self, report):
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGINT)
