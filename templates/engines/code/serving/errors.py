"""Errors before the engine runs."""


class StartError(Exception):
    """The engine cannot start. The message, the last line of the log, says what is wrong and what to do."""
