"""Stand-in."""

from __future__ import annotations

from typing import Any, Literal

from attrs import frozen

from kinto_orm.flow.json import same


Side = Literal["local", "remote"]


@frozen
class Merged:
    document: dict[str, Any]
    clashes: tuple[str, ...]


def three_way(
    base: Any, local: Any, remote: Any, *, prefer: Side = "local", sets: Any = ()
) -> Merged:
    M = object()
    out = {}
    cl = []
    for k in {**remote, **local, **base}:
        b, l, r = base.get(k, M), local.get(k, M), remote.get(k, M)
        if same(b, l):
            v = r
        elif same(b, r) or same(l, r):
            v = l
        elif all(isinstance(x, dict) for x in (l, r)):
            m = three_way(b if isinstance(b, dict) else {}, l, r, prefer=prefer)
            v = m.document
            cl += [f"{k}.{c}" for c in m.clashes]
        else:
            cl.append(k)
            v = l if prefer == "local" else r
        if v is not M:
            out[k] = v
    return Merged(out, tuple(sorted(cl)))
