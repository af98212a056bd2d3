"""Who asks, as users say it; apart from what signs, since that loads *requests*."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias


# What a user may give: name and password; "name:password", "Bearer token" or "Basic base64";
# anything that signs a request of *requests*; or nothing, which may be "", too.
if TYPE_CHECKING:
    import requests

    Signer: TypeAlias = Callable[[requests.PreparedRequest], requests.PreparedRequest]
    Credentials: TypeAlias = tuple[str, str] | str | Signer | None
else:  # What annotations say can be looked up (`typing.get_type_hints`).
    Credentials: TypeAlias = tuple[str, str] | str | Callable[[Any], Any] | None
