"""What a program is warned of."""


class UnsavedChangesWarning(UserWarning):
    """A session was left with changes that were not committed; they are discarded."""


class UnlockedWarning(UserWarning):
    """A collection could not be locked: others may overwrite what is written there (P3)."""
