"""A member that a registry has for the length of a test."""

from contextlib import contextmanager


@contextmanager
def planted(registry, member):
    """Register the member, and take it out again."""
    assert member.name not in registry
    registry._members[member.name] = member
    try:
        yield member.name
    finally:
        del registry._members[member.name]
