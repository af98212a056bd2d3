"""The benchmarks measure what they say: in miniature, on the servers that they are run on."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys

from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import orjson
import pytest
import requests

from benchmarks import steady
from benchmarks.__main__ import chosen, main
from benchmarks.documents import BUCKET, COLLECTION, RECORDS, Documents, changed
from benchmarks.measuring import ROOT
from benchmarks.page import page, write_page
from benchmarks.people import Person, change
from benchmarks.questions import BARE, OURS, QUESTIONS, THEIRS, Question
from benchmarks.results import Answers, Results, findings, sized
from benchmarks.run import Figures
from benchmarks.servers import serving
from kinto_orm import Client, Session
from kinto_orm.embedded import KintoServer


#: How many records there are: a fifth of them are two batches.
SIZE = 130

SERVED = [each for each in QUESTIONS if each.server]

#: Where programs find the suite, and the package.
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}


@pytest.fixture(scope="module")
def canned() -> Generator[str]:
    """Give the URL of a canned server."""
    with serving("canned", ENVIRONMENT) as url:
        yield url


@pytest.fixture(scope="module")
def figures(canned: str) -> dict[str, Figures]:
    """Give what all contestants find out at the canned server, by the names of their work."""
    works = {work for question in SERVED for work in question.contestants.values()}
    program = (
        "import json, sys; from benchmarks.sample import sample;"
        f"print(json.dumps({{work: sample(work, {canned!r}, {SIZE}, 0) for work in {works!r}}}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], env=ENVIRONMENT, stdout=subprocess.PIPE, check=True
    )
    found: dict[str, Figures] = json.loads(done.stdout)
    return found


def asked(url: str, method: str, path: str, body: bytes = b"") -> Any:
    """Return what a server answers, decoded."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc)
    try:
        connection.request(method, path, body)
        return json.loads(connection.getresponse().read())
    finally:
        connection.close()


# -- The servers -------------------------------------------------------------------------------


def test_bytes_and_requests_are_counted(canned: str) -> None:
    """A request counts once, its body with as many bytes as it has; asking for counts does not."""
    before = asked(canned, "GET", "/counts")
    body = orjson.dumps({"requests": [{"method": "PATCH", "path": f"{RECORDS}/x"}] * 3})
    asked(canned, "POST", "/50/v1/batch", body)
    asked(canned, "GET", "/50/v1/")
    after = asked(canned, "GET", "/counts")
    assert after["requests"] - before["requests"] == 2
    assert after["body"] - before["body"] == len(body)
    assert after["sent"] - before["sent"] > len(body)


def test_a_batch_beyond_the_limit_is_refused(canned: str) -> None:
    """Who ignores the limit of the server does not get away with it."""
    body = orjson.dumps({"requests": [{"path": "/"}] * 26})
    assert asked(canned, "POST", "/50/v1/batch", body)["code"] == 400


def exchanges(url: str, ident: str) -> list[requests.Response]:
    """Return the answers to one request of each kind."""
    document = {"data": {"name": "Ada", "address": {"city": "York"}}}
    parts = [
        {"method": "PUT", "path": f"{RECORDS}/fresh", "body": document},
        {"method": "PATCH", "path": f"{RECORDS}/{ident}", "body": document},
    ]
    with requests.Session() as session:
        session.auth = KintoServer.auth
        return [
            session.get(f"{url}/"),
            session.get(url + RECORDS, params={"_limit": 1}),
            session.head(url + RECORDS),
            session.get(f"{url}{RECORDS}/{ident}"),
            session.patch(f"{url}{RECORDS}/{ident}", json=document),
            session.post(f"{url}/batch", json={"requests": parts}),
        ]


def form(value: Any) -> Any:
    """Return *value* with types in the place of what servers say each in their own way."""
    if isinstance(value, dict):
        return {name: form(item) for name, item in sorted(value.items())}
    if isinstance(value, list):
        return [form(item) for item in value]
    return type(value)


def test_answers_have_the_form_of_kintos(
    canned: str, servers: Callable[[str], KintoServer]
) -> None:
    """Status, headers and keys of all answers are those of a real Kinto."""
    document = Documents().first(1)[0]
    real = servers("memory").url
    with Client(server_url=real, auth=KintoServer.auth, bucket=BUCKET) as client:
        client.create_bucket(if_not_exists=True)
        client.create_collection(id=COLLECTION)
        for ident in (document["id"], "another"):
            client.create_record(id=ident, collection=COLLECTION, data=document | {"id": ident})
        try:
            found = exchanges(real, document["id"])
        finally:
            client.delete_bucket()
    for own, kintos in zip(exchanges(f"{canned}/50/v1", document["id"]), found, strict=True):
        assert own.status_code == kintos.status_code
        assert {*map(str.lower, own.headers)} == {*map(str.lower, kintos.headers)}
        if kintos.content:
            assert form(own.json()) == form(kintos.json())


# -- The contestants ---------------------------------------------------------------------------


@pytest.mark.parametrize("question", SERVED, ids=lambda each: each.name)
def test_all_contestants_do_the_work(question: Question, figures: dict[str, Figures]) -> None:
    """The canned server takes what each sends, and each tells what the goals are about."""
    for goal in question.goals:
        for who in (goal.of, goal.against or goal.of):
            assert figures[question.contestants[who]][goal.figure] >= 0


@pytest.mark.parametrize("who", ["ours", "kinto_http", "bare"])
def test_all_contestants_make_as_many_requests(who: str, figures: dict[str, Figures]) -> None:
    """It is the same work: pages are of a thousand, batches of 25."""
    wanted = {"load": 1, "commit": 2, "get": SIZE, "patch": SIZE, "commit_nothing": 0}
    assert {name: figures[f"{who}.{name}"]["requests"] for name in wanted} == wanted


def test_the_bare_wire_sends_the_least(figures: dict[str, Figures]) -> None:
    """No other contestant finds shorter words for a change."""
    least = figures["bare.commit"]["body"]
    assert least <= figures["ours.commit"]["body"]
    assert least <= figures["kinto_http.commit"]["body"]


def test_a_change_is_the_same_for_all(canned: str) -> None:
    """What is changed in a record is what is changed in the dictionary."""
    documents = Documents().first(6)
    with (
        Client(server_url=f"{canned}/6/v1", auth=KintoServer.auth) as client,
        Session(client) as session,
    ):
        people = session.query(Person).all()
        for number, (each, document) in enumerate(zip(people, documents, strict=True)):
            assert each.id == document["id"]
            change(each, number)
            address = document["address"] | {"city": each.address.city}
            said = {"name": each.name, "born": each.born.isoformat(), "address": address}
            assert document | changed(document, number) == document | said != document
        session.rollback()


def test_the_small_cases_run_without_a_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is counted by instructions opens no socket, and each commit is one request."""
    monkeypatch.setattr("socket.socket.connect", None)
    with steady.connected() as client:
        session, people = steady.loaded(client)
        assert len(people) == steady.SIZE
        steady.committed(session, people)
        assert not session.dirty


# -- What is made of it ------------------------------------------------------------------------


def made_up() -> Results:
    """Return results for all questions: kinto-orm takes twice what the others take."""
    return Results(
        quick=False,
        machine={"system": "Linux", "cores": "2"},
        versions={"Python": "3.11.7"},
        seconds=500,
        answers=[answered(each) for each in QUESTIONS],
    )


def answered(question: Question) -> Answers:
    """Return answers to *question*, in three rounds, of which the second is slow."""
    sizes = question.sizes
    names = [goal.figure for goal in question.goals] + [name for _, name in question.told]
    if sizes:
        names = [sized(size, name) for size in sizes for name in names]
    rounds = [
        {
            who: dict.fromkeys(names, (2.0 if who == OURS else 1.0) * pace * (1 + number / 10))
            for number, who in enumerate(question.contestants)
        }
        for pace in (1, 10, 1)
    ]
    return Answers(question.name, question.size, sizes, rounds)


def test_a_ratio_is_that_within_a_round() -> None:
    """A round in which the machine was slow for all says the same as the others."""
    results = made_up()
    found = {each.answers.name: each for each in findings(results) if each.goal.against == THEIRS}
    load = found["load-5000"]
    assert load.found is not None
    assert load.found.least == load.found.most == pytest.approx(2 / 1.1)
    assert load.met is False


def test_what_could_not_be_measured_meets_no_goal() -> None:
    """Where there is no valgrind, the table says so."""
    (question,) = chosen(["instructions"])
    empty = Answers(question.name, question.size, (), [{OURS: {}}])
    results = Results(quick=False, machine={}, versions={}, seconds=1, answers=[empty])
    assert [each.met for each in findings(results)] == [None, None]
    assert "not measured" in page(results)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder with the page of results."""
    folder = tmp_path_factory.mktemp("docs")
    write_page(made_up(), folder)
    return folder


def test_the_page_has_a_picture_for_each_question(written: Path) -> None:
    """All questions are on it, and no picture is missing, or of a question that is not there."""
    text = (written / "benchmarks.md").read_text()
    pictures = {path.name for path in (written / "benchmarks").glob("*.svg")}
    assert pictures == {f"{each.name}.svg" for each in QUESTIONS}
    for each in QUESTIONS:
        assert f"### {each.title}" in text
        assert f"](benchmarks/{each.name}.svg)" in text
    assert "CPU a record: kinto-orm takes 1.82 (" in text
    assert f"times what the {BARE} takes" in text


def test_the_same_results_make_the_same_files(
    written: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A page that is made again from what was kept differs in no byte."""
    kept = written / "benchmarks" / "results.json"
    write_page(Results.read(kept), tmp_path)
    assert contents(tmp_path) == contents(written)
    main(["--from", str(kept), "--print-only"])
    assert capsys.readouterr().out.strip() in (written / "benchmarks.md").read_text()


def test_two_versions_are_shown_side_by_side(
    written: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each goal has a line, with what it took before and after."""
    kept = str(written / "benchmarks" / "results.json")
    main(["--from", kept, "--before", kept, "--print-only"])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 + sum(len(each.goals) for each in QUESTIONS)
    assert "| 2.00 µs | 1.82 (1.82–1.82) | **no** | 2.00 µs | 1.82 (1.82–1.82) |" in lines[2]


def contents(folder: Path) -> dict[str, bytes]:
    """Return the files below *folder*."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.*")}


def test_the_page_in_the_documentation_is_of_its_results() -> None:
    """Nobody has mended a figure by hand, or changed the template and forgotten the page."""
    docs = ROOT / "docs"
    kept = Results.read(docs / "benchmarks" / "results.json")
    assert not kept.quick
    assert (docs / "benchmarks.md").read_text() == page(kept)


def test_a_question_that_there_is_not_is_refused() -> None:
    """A word that is misspelt is told, with those that there are."""
    with pytest.raises(SystemExit, match="no question nothing-such; there are load-5000"):
        chosen(["nothing-such"])
