"""Ids: those that Kinto takes, and no others, never rewritten."""

from __future__ import annotations

from typing import Any

import pytest

from hypothesis import given, settings
from hypothesis import strategies as st

from faults import FaultProxy
from kinto_orm import Client
from kinto_orm.client.paths import checked, path_of, record_path
from kinto_orm.exceptions import InvalidId, InvalidRequest, KintoException, MissingId
from server.kinds import on_both_storages


#: At the limits of the pattern, and others that are easily mistaken for something else.
VALID = [
    "0",
    "a",
    "Z",
    "A-_",
    "9--",
    "a" * 255,
    "batch",
    "batches",
    "v1",
    "rev1",
    "null",
    "records",
]

INVALID: list[Any] = [
    *("", " ", ".", "..", "a.b", "a/b", "../b", "a b", "a%62", "a?b", "a#b", "é", "日本", "a,b"),
    *("-a", "_a", "a\n", "\na", "a\0", "\u0665", -5, 0.5, True, b"a", ["a"], {}),
]

METHODS = ["get", "create", "update", "patch", "delete"]


class TestRefused:
    @pytest.mark.parametrize("kind", ["bucket", "collection", "record"])
    @pytest.mark.parametrize("method", METHODS)
    def test_nothing_is_sent(
        self, counted: Client, proxy: FaultProxy, kind: str, method: str
    ) -> None:
        """K7, K8: an id that Kinto would not take is refused, also one that is empty."""
        options = {"data": {"a": 1}} if method in ("create", "update", "patch") else {}
        for id in INVALID:
            with pytest.raises(InvalidId, match=f"cannot be the id of a {kind}"):
                getattr(counted, f"{method}_{kind}")(id=id, **options)
        assert proxy.calls == []

    @pytest.mark.parametrize("method", ["create", "update", "patch"])
    def test_in_data(self, counted: Client, proxy: FaultProxy, method: str) -> None:
        """It is the same for an id in the data of a record."""
        for id in INVALID:
            with pytest.raises(InvalidId):
                getattr(counted, f"{method}_record")(data={"id": id})
        assert proxy.calls == []

    @pytest.mark.parametrize("where", ["bucket", "collection"])
    def test_where(self, counted: Client, proxy: FaultProxy, where: str) -> None:
        """It is the same for the collection and the bucket of a record: only None is the own."""
        for id in INVALID:
            with pytest.raises(InvalidId, match=f"cannot be the id of a {where}"):
                counted.get_record(id="a", **{where: id})
            with pytest.raises(InvalidId, match=f"cannot be the id of a {where}"):
                counted.get_records(**{where: id})
        assert proxy.calls == []

    def test_in_a_batch(self, counted: Client, proxy: FaultProxy) -> None:
        """In a batch it is refused at the call, so that the batch is not sent at all."""
        with pytest.raises(InvalidId), counted.batch() as batch:  # noqa: PT012 (the second call)
            batch.delete_record(id="a")
            batch.delete_record(id="a.b")
        assert proxy.calls == []

    @pytest.mark.parametrize("where", ["bucket", "collection"])
    def test_of_a_batch(self, counted: Client, proxy: FaultProxy, where: str) -> None:
        """K8: nor is an empty id of a batch's bucket or collection taken for the client's own."""
        with pytest.raises(InvalidId), counted.batch(**{where: ""}) as batch:
            batch.create_record(id="a")
        assert proxy.calls == []

    def test_of_a_client(self, counted: Client, proxy: FaultProxy) -> None:
        """Nor is one of a client anything else."""
        with Client(server_url=proxy.url, bucket="", collection="c") as client:
            with pytest.raises(InvalidId, match="bucket"):
                client.get_records()
            with pytest.raises(InvalidId, match="bucket"):
                client.get_bucket()
        assert counted.bucket_name
        assert proxy.calls == []

    def test_none(self, counted: Client, proxy: FaultProxy) -> None:
        """Without any, the caller is asked which."""
        with Client(server_url=proxy.url, bucket=None) as client:
            with pytest.raises(TypeError, match="which bucket"):
                client.get_bucket()
            with pytest.raises(TypeError, match="which collection"):
                client.get_records(bucket="b")
        assert counted.bucket_name
        assert proxy.calls == []

    @pytest.mark.parametrize("kind", [InvalidRequest, KeyError, TypeError])
    def test_none_by_any_name(self, kind: type[Exception]) -> None:
        """Programs for kinto-http expect one of these errors; the message is plain in each."""
        with pytest.raises(kind) as caught:
            record_path("b", "c", None)  # type: ignore[arg-type]
        assert isinstance(caught.value, MissingId)
        assert str(caught.value) == "which record? Give its id, here or to the client"

    def test_error(self) -> None:
        """The error shows the id, and says what one looks like."""
        with pytest.raises(KintoException, match="letters") as caught:
            checked("record", "a.b")
        assert "'a.b'" in str(caught.value)


@on_both_storages
class TestTaken:
    @pytest.mark.parametrize("together", [False, True], ids=["alone", "in a batch"])
    def test_records(self, client: Client, together: bool) -> None:  # noqa: FBT001
        """Whatever the pattern allows is stored under that very id."""
        if together:
            with client.batch() as batch:
                for n, id in enumerate(VALID):
                    batch.create_record(id=id, data={"n": n})
        else:
            for n, id in enumerate(VALID):
                client.create_record(id=id, data={"n": n})
        assert {each["id"]: each["n"] for each in client.get_records()} == {
            id: n for n, id in enumerate(VALID)
        }
        with client.batch() as batch:
            for id in VALID:
                batch.delete_record(id=id)
        assert client.get_records() == []

    @pytest.mark.parametrize("together", [False, True], ids=["alone", "in a batch"])
    @pytest.mark.parametrize(
        ("within", "collection"),
        [("rev1", "batches"), ("v1", "v1"), ("batch", "batch"), ("0", "rev1"), ("rev1", "records")],
    )
    def test_misleading(
        self,
        client: Client,
        within: str,
        collection: str,
        together: bool,  # noqa: FBT001
    ) -> None:
        """K1, B8: names that look like a part of a path are names."""
        client.create_bucket(id=within, if_not_exists=True)
        client.create_collection(id=collection, bucket=within)
        if together:
            with client.batch(bucket=within, collection=collection) as batch:
                batch.create_record(id="a", data={"n": 1})
                batch.patch_record(id="a", data={"m": 2})
            with client.batch(bucket=within, collection=collection) as batch:
                read = batch.get_record(id="a")
                listed = batch.get_records()
                batch.get_collection()
            found, count = read.result()["data"], len(listed.result())
            with client.batch(bucket=within, collection=collection) as batch:
                batch.delete_record(id="a")
                batch.delete_collection()
        else:
            client.create_record(id="a", bucket=within, collection=collection, data={"n": 1})
            client.patch_record(id="a", bucket=within, collection=collection, data={"m": 2})
            found = client.get_record(id="a", bucket=within, collection=collection)["data"]
            count = len(client.get_records(bucket=within, collection=collection))
            client.delete_record(id="a", bucket=within, collection=collection)
            client.delete_collection(id=collection, bucket=within)
        assert (found["n"], found["m"], count) == (1, 2, 1)
        assert client.get_collections(bucket=within) == []
        assert client.get_bucket(id=within)["data"]["id"] == within


class TestIntegers:
    """An integer stands for its decimal digits, wherever an id is given."""

    @pytest.mark.parametrize("id", [0, 5, 10**30])
    def test_in_a_path(self, id: int) -> None:
        """That is so in a path."""
        path = path_of("record", bucket="b", collection="c", id=id)
        assert path == f"/buckets/b/collections/c/records/{id}"

    @pytest.mark.parametrize("together", [False, True], ids=["alone", "in a batch"])
    def test_in_data(self, counted: Client, together: bool) -> None:  # noqa: FBT001
        """It is so in the data, which must have the id that the path has (D2)."""
        if together:
            with counted.batch() as batch:
                batch.create_record(data={"id": 7, "n": 1})
                batch.update_record(id=8, data={"id": 8, "n": 1})
        else:
            counted.create_record(data={"id": 7, "n": 1})
            counted.update_record(id=8, data={"id": 8, "n": 1})
        assert {each["id"] for each in counted.get_records()} == {"7", "8"}
        assert counted.get_record(id=7) == counted.get_record(id="7")


class TestPaths:
    @settings(deadline=None)
    @given(st.from_regex(r"[a-zA-Z0-9][a-zA-Z0-9_-]*", fullmatch=True))
    def test_taken(self, id: str) -> None:
        """An id is in the path as it is."""
        assert record_path(id, id, id) == f"/buckets/{id}/collections/{id}/records/{id}"

    @settings(deadline=None)
    @given(st.text())
    def test_any(self, id: str) -> None:
        """Any text is taken as it is, or refused."""
        try:
            assert checked("record", id) == id
        except InvalidId:
            assert not (id.isascii() and id.isalnum())
