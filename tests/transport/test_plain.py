"""A session of our own: what it leaves out makes no difference to what is sent."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from hypothesis import given
from hypothesis import strategies as st
from requests.auth import HTTPDigestAuth

from faults import FaultProxy
from kinto_orm import Client
from kinto_orm.transport.plain import PlainSession, nobody


ROOTS = ["http://127.0.0.1:8888/v1", "https://Example.ORG:443/v1", "http://bücher.example/v1"]
PATHS = st.text(st.sampled_from("/ab-_.~%2FéÉ ?&=#+:@\\"), max_size=12).map(lambda text: f"/{text}")


def refused(session: requests.Session, made: requests.Request) -> type[Exception] | None:
    """Return the class of the error, if *session* refuses to prepare *made*."""
    try:
        session.prepare_request(made)
    except requests.RequestException as error:
        return type(error)
    return None


def way(session: requests.Session, url: str) -> Any:
    """Return the proxies and certificates of *session* on the way to *url*."""
    return session.merge_environment_settings(url, {}, stream=False, verify=None, cert=None)


class TestPrepareRequest:
    @given(st.sampled_from(ROOTS), PATHS, st.sampled_from([None, b"", b'{"data":{}}']))
    def test_is_that_of_any_session(self, root: str, path: str, body: bytes | None) -> None:
        """URL, headers and body are those that a session of requests would send."""
        headers = {"accept-ENCODING": "identity", "User-Agent": "me", "If-Match": '"5"'}
        made = requests.Request("PUT", root + path, headers, data=body, auth=nobody)
        usual, own = requests.Session().prepare_request(made), PlainSession().prepare_request(made)
        assert own.url == usual.url
        assert own.body == usual.body
        own.prepare_content_length(own.body)
        usual.prepare_content_length(usual.body)
        assert own.headers == usual.headers

    @pytest.mark.parametrize(
        "more",
        [
            {"auth": ("ann", "secret")},
            {"auth": nobody, "params": {"a": "b"}},
            {"auth": nobody, "cookies": {"a": "b"}},
            {"auth": nobody, "json": {}},
            {"auth": nobody, "files": {"a": b"b"}},
            {"auth": nobody, "hooks": {"response": print}},
        ],
    )
    def test_passes_over_nothing(self, more: dict[str, Any]) -> None:
        """What a request has itself is prepared as any session prepares it."""
        made = requests.Request("POST", "http://127.0.0.1:8888/v1/batch", **more)
        usual, own = requests.Session().prepare_request(made), PlainSession().prepare_request(made)
        assert own.url == usual.url
        assert own.hooks == usual.hooks
        assert (own.body is None) is (usual.body is None)
        assert own.headers.keys() == usual.headers.keys()
        assert own.headers.get("Authorization") == usual.headers.get("Authorization")

    @pytest.mark.parametrize(
        ("url", "headers"),
        [
            ("http://*.example/v1", {}),
            ("http:///v1", {}),
            ("http://127.0.0.1/v1", {"X": " leading"}),
            ("http://127.0.0.1/v1", {"X": "a\nb"}),
        ],
    )
    def test_refuses_the_same(self, url: str, headers: dict[str, str]) -> None:
        """What no session of requests sends, it does not either."""
        made = requests.Request("GET", url, headers, auth=nobody)
        assert refused(PlainSession(), made) is refused(requests.Session(), made) is not None

    def test_can_be_signed_with_an_answer(self, proxy: FaultProxy) -> None:
        """What signs a second request, once the first is refused, has what it needs."""
        challenge = {"WWW-Authenticate": 'Digest realm="r", nonce="n", qop="auth"'}
        proxy.answer(401, {}, headers=challenge)
        proxy.answer(200, {"data": {"id": "b"}, "permissions": {}})
        with Client(server_url=proxy.url, auth=HTTPDigestAuth("u", "p")) as client:
            assert client.get_bucket(id="b")["data"] == {"id": "b"}


class TestMergeEnvironmentSettings:
    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("HTTP_PROXY", "http://proxy.example:3128"),
            ("http_proxy", "http://proxy.example:3128"),
            ("ALL_PROXY", "http://proxy.example:3128"),
            ("REQUESTS_CA_BUNDLE", "/certificates.pem"),
            ("CURL_CA_BUNDLE", "/certificates.pem"),
        ],
    )
    def test_follows_the_environment(
        self, monkeypatch: pytest.MonkeyPatch, name: str, value: str
    ) -> None:
        """A variable counts for the request after it was set, and no longer than it is."""
        for each in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
            monkeypatch.delenv(each, raising=False)
        session, usual = PlainSession(), requests.Session()
        before = way(session, "http://kinto.example/v1")
        assert before == way(usual, "http://kinto.example/v1")
        monkeypatch.setenv(name, value)
        meanwhile = way(session, "http://kinto.example/v1")
        assert meanwhile == way(usual, "http://kinto.example/v1") != before
        monkeypatch.delenv(name)
        assert way(session, "http://kinto.example/v1") == before

    def test_is_of_one_origin(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """What goes elsewhere goes its own way."""
        monkeypatch.setenv("http_proxy", "http://proxy.example:3128")
        monkeypatch.setenv("no_proxy", "kinto.example")
        session = PlainSession()
        near = way(session, "http://kinto.example/v1")
        far = way(session, "http://files.example/v1")
        assert not near["proxies"]
        assert far["proxies"]["http"] == "http://proxy.example:3128"
