"""The two kinds of failure that a user meets: the request was wrong, or the data are."""


class BiosigError(Exception):
    """A failure that one sentence explains: what was found, what was wanted, what to do."""

    exit_status = 1


class DataError(BiosigError, ValueError):
    """The data cannot be used as they are; the sentence names the file and, where there is one, the channel."""

    exit_status = 1


class UsageError(BiosigError, ValueError):
    """The request itself is wrong: an unknown option, a missing path, settings that contradict each other."""

    exit_status = 2


class UnreadableError(DataError):
    """A source file is truncated, foreign or absent in part: nothing in it can be trusted."""


class EmptyWindowError(DataError):
    """No sample of the recording lies in the window that was asked for."""
