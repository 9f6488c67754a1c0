"""What can go wrong before the engine runs."""


class StartError(Exception):
    """The engine cannot start. The message says what is wrong and what to do; it becomes the last line of the log."""
