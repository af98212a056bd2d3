"""How the names of fields become keys of documents, for a whole class at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Literal, TypeAlias


#: A convention that has a name, or a function from the name of a field to its key.
Rename: TypeAlias = Literal["camelCase", "PascalCase", "kebab-case"] | Callable[[str], str]


def _camel(name: str) -> str:
    first, *others = _words(name)
    return first + "".join(word.capitalize() for word in others)


def _pascal(name: str) -> str:
    return "".join(word.capitalize() for word in _words(name))


def _kebab(name: str) -> str:
    return "-".join(_words(name))


def _words(name: str) -> list[str]:
    return [word for word in name.split("_") if word]


_CONVENTIONS: Final[dict[Any, Callable[[str], str]]] = {
    "camelCase": _camel,
    "PascalCase": _pascal,
    "kebab-case": _kebab,
}


def convention(rename: Rename) -> Callable[[str], str]:
    """
    Return the function from names to keys that *rename* stands for.

    Raises:
        TypeError: If it stands for none.
    """
    if callable(rename):
        return rename
    if rename not in _CONVENTIONS:
        msg = f"rename={rename!r} is not known: use one of {', '.join(_CONVENTIONS)}, or a function"
        raise TypeError(msg)
    return _CONVENTIONS[rename]


def renamed(model: type[Any], name: str, rename: Callable[[str], str]) -> str:
    """
    Return the key that *rename* gives the field *name* of *model*.

    Raises:
        TypeError: If that is no text.
    """
    key = rename(name)
    if not isinstance(key, str) or not key:
        msg = f"{model.__name__}.{name}: rename= gave the key {key!r}, which is no name"
        raise TypeError(msg)
    return key
