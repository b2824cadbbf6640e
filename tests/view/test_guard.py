"""Who gets an answer: the rules of docs/view.md, each by a request that must fail."""

import http.client
import os
import socket

import numpy as np
import pytest

from biosig.view.guard import LOOPBACK, _name
from tests.view.looking import wfdb_record

SIGNAL = "/api/recordings/0/signal?group=0&montage=as+recorded&step=0.01&first=0&n=10"


@pytest.fixture
def client(serve, tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    return serve(wfdb_record(folder, "one", {"II": np.arange(5000)}, 500, "mV").parent)


@pytest.mark.parametrize("token", ["", "wrong", "é"])
@pytest.mark.parametrize(
    "path", ["/api/source", "/api/recordings", "/api/recordings/0", SIGNAL, "/nothing", "/api/map"]
)
def test_without_the_token_there_is_no_data(client, path, token):
    status, headers, body = client.request(path, token=token)
    assert status == 401
    assert b"one" not in body
    assert "access-control-allow-origin" not in headers


def test_the_token_is_long_and_the_page_holds_no_data(client):
    assert len(client.server.token) >= 32
    status, headers, body = client.request("/", token="")
    assert status == 200
    assert b"one.hea" not in body
    assert client.server.token.encode() not in body
    policy = headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "evil.example:80"},
        {"Host": "127.0.0.1.evil.example"},
        {"Host": "localhost@evil.example"},
        {"Host": ""},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
    ],
)
def test_other_hosts_and_other_pages_are_refused_even_with_the_token(client, headers):
    status, answered, body = client.request("/api/source", **headers)
    assert status == 403
    assert b"n_recordings" not in body
    assert "access-control-allow-origin" not in answered


@pytest.mark.parametrize("host", ["localhost:1234", "127.0.0.1", "[::1]:80", "LOCALHOST"])
def test_tunnels_may_change_the_port(client, host):
    assert client.request("/api/source", Host=host)[0] == 200
    assert _name(host) in LOOPBACK


def test_its_own_page_may_ask(client):
    host = f"127.0.0.1:{client.server.port}"
    assert client.request("/api/source", Host=host, Origin=f"http://{host}", Sec_Fetch_Site="same-origin")[0] == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
@pytest.mark.parametrize("path", ["/", "/api/source", SIGNAL])
def test_it_only_shows(client, path, method):
    assert client.request(path, method)[0] == 405


@pytest.mark.parametrize(
    "path",
    [
        "/static/..%2f..%2fapp.py",
        "/static/%2e%2e/app.py",
        "/static/../app.py",
        "/static//etc/passwd",
        "/etc/passwd",
        "/api/recordings/..%2f0",
        "/api/recordings/-1",
        "/api/recordings/99",
        "/api/recordings/one.hea",
        "/api/recordings/%2fetc%2fpasswd",
    ],
)
def test_paths_lead_nowhere(client, path):
    assert client.request(path)[0] == 404


@pytest.mark.parametrize(
    "ask",
    [
        "group=0&montage=as+recorded&step=0.01&first=0&n=100000",
        "group=0&montage=as+recorded&step=nan&first=0&n=10",
        "group=0&montage=as+recorded&step=1e9&first=0&n=10",
        "group=0&montage=as+recorded&step=0.01&first=99999999999999999&n=10",
        "group=0&montage=as+recorded&step=0.01&first=x&n=10",
        "group=7&montage=as+recorded&step=0.01&first=0&n=10",
        "group=0&montage=nothing&step=0.01&first=0&n=10",
        "group=0&montage=as+recorded&step=0.01&first=0&n=10&filters=1",
        "group=0&montage=as+recorded&step=0.01&first=0&n=10&filters=0.0001,-,-",
    ],
)
def test_questions_have_bounds(client, ask):
    assert client.request(f"/api/recordings/0/signal?{ask}")[0] in (400, 422)


def test_links_out_of_the_folder_are_not_followed(serve, tmp_path):
    inside, outside = tmp_path / "in", tmp_path / "out"
    inside.mkdir()
    outside.mkdir()
    wfdb_record(inside, "mine", {"II": np.arange(500)}, 100, "mV")
    secret = wfdb_record(outside, "secret", {"II": np.arange(500)}, 100, "mV")
    os.symlink(secret, inside / "secret.hea")
    os.symlink(outside, inside / "folder")
    client = serve(inside)
    names = [each["name"] for each in client.json("/api/recordings")["recordings"]]
    assert names == ["mine.hea"]
    assert "2 links lead out" in client.json("/api/source")["notes"][0]


def test_only_loopback_listens(client):
    assert client.server._socket.getsockname()[0] == "127.0.0.1"
    others = {info[4][0] for info in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)}
    for address in others:
        if not address.startswith("127."):
            with pytest.raises((ConnectionError, TimeoutError)):
                http.client.HTTPConnection(address, client.server.port, timeout=2).request("GET", "/")


def test_who_was_recorded_is_told_only_when_asked(client):
    assert "subject" not in client.json("/api/recordings/0")
    assert client.request("/api/recordings/0/person")[0] == 200


def test_a_broken_file_is_a_sentence(serve, tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    path = wfdb_record(folder, "short", {"II": np.arange(5000)}, 500, "mV")
    (folder / "short.dat").write_bytes(b"\0" * 100)
    status, _, body = serve(path).request("/api/recordings/0")
    assert status == 422
    assert b"short" in body
    assert b"Traceback" not in body


def test_a_header_that_names_a_file_elsewhere_is_refused(serve, tmp_path):
    inside, outside = tmp_path / "in", tmp_path / "out"
    inside.mkdir()
    outside.mkdir()
    wfdb_record(outside, "secret", {"II": np.arange(500)}, 100, "mV")
    text = (outside / "secret.hea").read_text().replace("secret.dat", "../out/secret.dat")
    (inside / "secret.hea").write_text(text)
    assert serve(inside).request("/api/recordings/0")[0] == 422
