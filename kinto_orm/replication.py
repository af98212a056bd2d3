r"""
Make one collection equal to another one, on the same server or elsewhere.

    python -m kinto_orm.replication --origin https://origin/v1 \
        --server https://destination/v1 --auth name:password --bucket b --collection c
"""

from __future__ import annotations

import argparse
import logging
import sys

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Any, Final
from uuid import uuid4

from attrs import evolve, field, frozen

from kinto_orm import cli_utils
from kinto_orm.client.clients import BatchClient, Client
from kinto_orm.client.endpoints.objects import Object, Permissions
from kinto_orm.exceptions import (
    CollectionNotFound,
    Forbidden,
    KintoBatchException,
    KintoException,
    NotAttempted,
    NotFound,
    OutcomeUnknown,
    RecordNotFound,
    ServerError,
    SnapshotMoved,
    TransportError,
)
from kinto_orm.flow import Document, Pending
from kinto_orm.flow.json import same
from kinto_orm.utils import chunks, collection_diff, records_equal


logger: logging.Logger = logging.getLogger("kinto_orm.replication")

#: How often the origin is read, at the most, until nobody changes it meanwhile.
_READINGS: Final = 5

#: How many records are recorded in a batch before it is sent.
_SLICE: Final = 1000

#: After these nothing more is sent.
_OUT_OF_REACH: Final = (OutcomeUnknown, ServerError, TransportError)


@frozen(kw_only=True)
class Replication:
    """
    What a replication did.

    Attributes:
        collection: *"created"*, *"updated"* or *"unchanged"*: the destination's collection.
        created: Ids of the records that are new at the destination.
        updated: Ids of those that were different there.
        deleted: Ids of those that the origin does not have.
        unchanged: Ids of those that were equal.
        refused: Ids of those that the server refused to write, where the destination's client
            ignores that (*ignore_batch_4xx*).
        rehearsed: Whether it was a dry run: nothing was written, these are those that would be.
    """

    collection: str
    created: tuple[str, ...] = ()
    updated: tuple[str, ...] = ()
    deleted: tuple[str, ...] = ()
    unchanged: tuple[str, ...] = field(default=(), repr=False)
    refused: tuple[str, ...] = ()
    rehearsed: bool = False

    def __str__(self) -> str:
        names = ("created", "updated", "deleted", "refused", "unchanged")
        said = [f"{len(ids)} {name}" for name in names if (ids := getattr(self, name))]
        dry = "dry run, nothing was written: " if self.rehearsed else ""
        return f"{dry}collection {self.collection}; records: {', '.join(said) or 'none'}"


@frozen
class _Write:
    """
    A record to be written.

    Attributes:
        expected: Its timestamp at the destination; None if it must not exist there.
        data: What it is to hold; None if it is to be deleted.
        stamp: The timestamp that it is to have; None if the server is to give it one.
    """

    id: str
    expected: int | None
    data: Document | None = field(repr=False)
    stamp: int | None

    @property
    def fate(self) -> str:
        """Return what becomes of the record."""
        if self.data is None:
            return "deleted"
        return "created" if self.expected is None else "updated"

    def record(self, batch: BatchClient) -> Pending[Any]:
        """Record it in *batch*, such that nothing is overwritten unseen."""
        if self.data is None:
            return batch.delete_record(
                id=self.id, if_match=self.expected, if_exists=True, last_modified=self.stamp
            )
        data = self.data if self.stamp is None else {**self.data, "last_modified": self.stamp}
        if self.expected is None:
            return batch.create_record(id=self.id, data=data)
        return batch.update_record(id=self.id, data=data, if_match=self.expected)


@frozen
class _State:
    """What a collection holds: records, and timestamps of these and of deletions, by id."""

    records: dict[str, Document]
    stamps: dict[str, int]


# -- The replication ---------------------------------------------------------------------------


def replicate(origin: Client, destination: Client) -> Replication:
    """
    Make the destination's collection equal to the origin's; return what had to be done.

    The destination's bucket is created if it is missing; its collection is created, or given the
    origin's data and permissions where they differ; records are created, updated and deleted.
    What is equal is not written: a second run writes nothing.  After an error, run it again.

    The origin is read as it is at one moment: if it changes meanwhile, it is read again.  At the
    destination, nothing is overwritten that was not seen: if somebody else writes a record at the
    same time, that write is refused and reported, and the others are made.

    Timestamps of records and of deletions are kept, as far as that does no harm (docs/protocol.md,
    T3).  A record that is new at the destination gets the origin's; one that it has, or has
    deleted, gets it if it is newer; a deletion gets that of the origin's tombstone, if there is
    one and it is newer.  None is used twice in a collection: PostgreSQL would refuse it for ever.
    All others are the destination's own.  A record that is otherwise equal is not written for its
    timestamp.  Writes are sent oldest first, but who polls the destination with ``_since`` still
    misses records that are older than the last poll.

    Permissions of the collection are copied as they are, if the origin shows them, as it does to
    who may write there; the destination adds the user who writes.  Not copied are permissions of
    records and of the bucket, groups, and files: ``attachment`` in a record is data like any other.

    Args:
        origin: A client whose user may read the collection, not some of its records only.
        destination: A client whose user may write its collection.  A dry run writes nothing.

    Raises:
        KintoBatchException: If records could not be written; those that it does not name were.
        Forbidden: If the user of either client may not do that.
        PreconditionFailed: If somebody else changes the destination's collection meanwhile.
        SnapshotMoved: If the origin changes each time that it is read.
    """
    logger.info("replication from %r to %r", origin, destination)
    collection, wanted = _read_origin(origin)
    fate = _replicate_collection(collection, destination)
    rehearsed = destination.dry_mode  # What it did not create cannot be read.
    there = _State({}, {}) if rehearsed and fate == "created" else _state(destination)
    writes = _writes(wanted, there, validated="schema" in collection["data"])
    refused = _send(writes, destination)
    written = {each.id for each in writes}
    fates = {
        name: tuple(each.id for each in writes if each.fate == name and each.id not in refused)
        for name in ("created", "updated", "deleted")
    }
    return Replication(
        collection=fate,
        unchanged=tuple(id for id in wanted.records if id not in written),
        refused=tuple(sorted(refused)),
        rehearsed=rehearsed,
        **fates,
    )


def _read_origin(origin: Client) -> tuple[Object, _State]:
    """Return the origin's collection and its records, all of one moment."""
    with suppress(RecordNotFound):
        # A list has what the user may see.  One who may not see all is not told there, but here.
        origin.get_record(id=str(uuid4()))
    before = origin.get_records_timestamp()
    for _ in range(_READINGS):
        collection, records = origin.get_collection(), _state(origin)
        after = origin.get_records_timestamp()
        if after == before:
            return collection, records
        before = after
    msg = f"{origin!r} was changed each of the {_READINGS} times that it was read: try again later"
    raise SnapshotMoved(msg)


def _state(client: Client) -> _State:
    """Return what a client's collection holds, read in the one order that is stable (T4)."""
    found = client.get_records(_since=0, _sort="id")  # With tombstones (T5).
    records = {each["id"]: each for each in found if not _is_tombstone(each)}
    return _State(records, {each["id"]: each["last_modified"] for each in found})


def _is_tombstone(document: Document) -> bool:
    return document.keys() == {"id", "last_modified", "deleted"} and document["deleted"] is True


def _content(document: Document) -> Document:
    """Return what a user has put into an object."""
    return {name: value for name, value in document.items() if name not in ("id", "last_modified")}


# -- The collection ----------------------------------------------------------------------------


def _replicate_collection(wanted: Object, destination: Client) -> str:
    """Create the destination's collection as *wanted*, or bring it into line."""
    data = _content(wanted["data"])
    there = _find_collection(destination)
    if there is None:
        destination.create_collection(data=data, permissions=wanted["permissions"] or None)
        return "created"
    new_data = None if same(data, _content(there["data"])) else data
    permissions = _new_permissions(wanted["permissions"], there["permissions"], destination)
    if new_data is None and permissions is None:
        return "unchanged"
    stamp = there["data"]["last_modified"]
    destination.update_collection(data=new_data, permissions=permissions, if_match=stamp)
    return "updated"


def _find_collection(client: Client) -> Object | None:
    """Return the collection; or None if there is none, but a bucket that it can be created in."""
    try:
        return client.get_collection()
    except CollectionNotFound:
        return None
    except (Forbidden, NotFound):
        pass  # So Kinto says if there is no bucket (P4).
    try:
        client.get_bucket()
    except (Forbidden, NotFound):
        client.create_bucket(if_not_exists=True)
    return None


def _new_permissions(
    wanted: Permissions, there: Permissions, destination: Client
) -> Permissions | None:
    """Return the permissions to write; None if they are right, or one side hides them (P5)."""
    if not (wanted and there):
        return None
    writer = destination.server_info().get("user", {}).get("id", "system.Everyone")
    for name in wanted.keys() | there.keys():
        found = set(there.get(name, ()))
        added = found & {writer} if name == "write" else set[str]()
        if set(wanted.get(name, ())) | added != found:
            return wanted
    return None


# -- Records -----------------------------------------------------------------------------------


def _writes(wanted: _State, there: _State, *, validated: bool) -> list[_Write]:
    """Return what is to be written, in the order to send it in."""
    # Where records are not validated, `schema` is a field like any other.
    equal = records_equal if validated else _equal_but_for_time
    create, update, delete = collection_diff(
        wanted.records.values(), there.records.values(), equal=equal
    )
    changes: dict[str, Document | None] = {each["id"]: each for each in create}
    changes |= {old["id"]: new for old, new in update}
    changes |= {each["id"]: None for each in delete}
    writes = [
        _Write(
            id,
            expected=there.stamps[id] if id in there.records else None,
            data=None if data is None else _content(data),
            stamp=wanted.stamps.get(id),
        )
        for id, data in changes.items()
    ]
    return _in_order(_stamped(writes, there))


def _equal_but_for_time(a: Document, b: Document) -> bool:
    return same({**a, "last_modified": 0}, {**b, "last_modified": 0})


def _stamped(writes: list[_Write], there: _State) -> Iterator[_Write]:
    """Give *writes*, less the timestamps that the server would not take, or should not."""
    taken = set(there.stamps.values())
    for write in _in_order(writes):
        stamp = write.stamp
        if stamp is None or stamp in taken or stamp < there.stamps.get(write.id, 0):
            yield evolve(write, stamp=None)
        else:
            taken.add(stamp)
            yield write


def _in_order(writes: Iterable[_Write]) -> list[_Write]:
    """Return *writes* oldest first; last those that the server gives a time, which is later."""
    return sorted(writes, key=lambda write: (write.stamp is None, write.stamp or 0))


def _send(writes: list[_Write], destination: Client) -> set[str]:
    """Make *writes*; return the ids of those that were refused, where that is not an error."""
    errors: list[Exception] = []
    results: list[Any] = []
    outcomes: list[Any] = []
    for part in chunks(writes, _SLICE):
        pending: list[Pending[Any]] = []
        try:
            with destination.batch() as batch:
                pending += [write.record(batch) for write in part]
        except KintoBatchException as error:
            errors += error.exceptions
            results += error.results
        outcomes += [each.error or each.result() for each in pending]
        logger.info("%d of %d records sent", len(outcomes), len(writes))
        lost = next((each for each in errors if isinstance(each, _OUT_OF_REACH)), None)
        if lost is not None and (left := len(writes) - len(outcomes)):
            msg = f"{left} more records were not sent, since a request before them failed: {lost}"
            errors.append(NotAttempted(msg, lost))
            break
    if errors:
        raise KintoBatchException(errors, results, outcomes)
    made = zip(writes, outcomes, strict=True)
    return {write.id for write, outcome in made if isinstance(outcome, Exception)}


# -- The command -------------------------------------------------------------------------------


def get_arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the options of the command line, or of *argv*; leave with a message if some lack."""
    parser = argparse.ArgumentParser(
        prog="python -m kinto_orm.replication",
        description="Make a collection (--server, --bucket, --collection) equal to another one,"
        " the origin. What is not said of the origin is as for the destination.",
    )
    parser.add_argument("-o", "--origin", help="root of the API of the origin's server")
    parser.add_argument(
        "--origin-auth",
        action=cli_utils.AuthAction,
        help="who asks the origin; without, the user of --auth if it is on the same server",
    )
    parser.add_argument("--origin-bucket", help="id of the origin's bucket")
    parser.add_argument("--origin-collection", help="id of the origin's collection")
    cli_utils.add_parser_options(parser)
    args = parser.parse_args(argv)
    place = ("server", "bucket", "collection")
    for option in place:
        if getattr(args, option) is None:
            parser.error(f"which {option} is to be written? Give --{option}")
    origin = _of_origin(args)
    if all(getattr(origin, option) == getattr(args, option) for option in place):
        parser.error("origin and destination are the same collection")
    return args


def _of_origin(args: argparse.Namespace) -> argparse.Namespace:
    """Return *args* as they are for the origin."""
    server = args.origin or args.server
    # Credentials go nowhere but to the server that they were given for.
    auth = args.auth if server.rstrip("/") == args.server.rstrip("/") else None
    given = {
        "server": server,
        "auth": args.origin_auth or auth,
        "bucket": args.origin_bucket or args.bucket,
        "collection": args.origin_collection or args.collection,
    }
    return argparse.Namespace(**{**vars(args), **given})


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command with the options of the command line, or of *argv*."""
    args = get_arguments(argv)
    cli_utils.setup_logger(logger, args)
    try:
        with (
            cli_utils.create_client_from_args(_of_origin(args)) as origin,
            cli_utils.create_client_from_args(args) as destination,
        ):
            done = replicate(origin, destination)
    except KintoException as error:
        sys.exit(str(error))
    if args.verbosity != logging.CRITICAL:
        print(done)  # noqa: T201 (a command says what it has done)


if __name__ == "__main__":
    main()
