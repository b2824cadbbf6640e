"""Models by name: fetched from a hub, here a small server of our own, and what is said where that fails."""

import json
import shutil
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import huggingface_hub.constants
import pytest
import torch

import biosig
from biosig.errors import DataError, UsageError
from biosig.models.convert import convert

SOURCE = Path(__file__).parent / "data" / "reve-2-layers"
COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub(BaseHTTPRequestHandler):
    """Answers as the hub does: what a model is, which files it has, and the files."""

    folder: Path
    asked: list[str]

    def do_HEAD(self):
        self.answer(with_body=False)

    def do_GET(self):
        self.answer(with_body=True)

    def answer(self, with_body):
        self.asked.append(self.path)
        parts = self.path.partition("?")[0].strip("/").split("/")
        is_file = parts[0] != "api"
        if is_file:
            _, name, _, revision, file = parts
        else:
            _, _, _, name, what, revision = parts
        status, code, content = 200, "", b""
        if name == "absent":
            status, code = 404, "RepoNotFound"
        elif revision not in ("main", "v1", COMMIT):
            status, code = 404, "RevisionNotFound"
        elif is_file and name == "gated":  # the hub shows what is in a gated model to everyone
            status, code = 403, "GatedRepo"
        elif is_file:
            content = (self.folder / name / file).read_bytes()
        elif what == "revision":
            content = json.dumps({"id": f"someone/{name}", "sha": COMMIT, "siblings": []}).encode()
        else:
            files = sorted((self.folder / ("reve-base" if name == "gated" else name)).iterdir())
            tree = [
                {"type": "file", "path": f.name, "size": f.stat().st_size, "oid": f"{name}-{f.name}"} for f in files
            ]
            content = json.dumps(tree).encode()
        self.send_response(status)
        if code:
            self.send_header("X-Error-Code", code)
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("ETag", f'"{name}-{parts[-1]}"')
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if with_body:
            self.wfile.write(content)

    def log_message(self, *_):
        pass


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """The server's folder; huggingface_hub asks this server and keeps what it gets in an empty cache."""
    folder = tmp_path / "served"
    handler = type("Served", (Hub,), {"folder": folder, "asked": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    endpoint = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", endpoint)
    template = endpoint + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(huggingface_hub.constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.chdir(tmp_path)
    shutil.copytree(SOURCE, folder / "reve-base")
    yield handler
    server.shutdown()
    server.server_close()


def same(one, other):
    one, other = one.state_dict(), other.state_dict()
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


def test_reve_is_converted_as_it_is_loaded_and_its_card_names_the_commit(hub):
    model = biosig.load_model("brain-bzh/reve-base", revision="v1")
    assert same(model.encoder, convert(SOURCE).encoder)
    assert model.trained
    assert COMMIT in model.card
    assert all(COMMIT in path for path in hub.asked if "/resolve/" in path)


def test_what_was_fetched_once_loads_offline(hub, monkeypatch):
    first = biosig.load_model("brain-bzh/reve-base")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    n_asked = len(hub.asked)
    assert same(biosig.load_model("brain-bzh/reve-base").encoder, first.encoder)
    assert len(hub.asked) == n_asked


def test_a_checkpoint_of_ours_comes_with_its_card(hub, tiny):
    biosig.models.checkpoint.save(tiny.encoder, True, hub.folder / "ours", "A card.")
    model = biosig.load_model("someone/ours")
    assert same(model.encoder, tiny.encoder)
    assert model.card == "A card."


def test_a_public_encoder_is_converted_as_it_is_loaded(hub):
    from biosig.models.zoo import ENCODERS

    sizes = ENCODERS["cbramod"](n_layer=1)
    network = sizes.build()
    names = sizes.keys({})
    state = {theirs: network.state_dict()[ours] for theirs, ours in names.names.items()}
    (hub.folder / "CBraMod").mkdir()
    path = hub.folder / "CBraMod" / "pretrained_weights.pth"
    torch.save(state | {key: torch.zeros(1) for key in names.dropped}, path)
    model = biosig.load_model("weighting666/CBraMod")
    assert same(model.encoder.module, network)
    assert COMMIT in model.card
    assert model.encoder.sizes == sizes
    named = biosig.load_model("weighting666/CBraMod/pretrained_weights.pth")
    assert named.revision == model.revision
    path.unlink()
    with pytest.raises(UsageError, match=r"2 files of weights: give .*ECGFounder/12_lead_ECGFounder\.pth or "):
        biosig.load_model("PKUDigitalHealth/ECGFounder")
    with pytest.raises(DataError, match=r"has no other\.pth: see what is there at huggingface\.co/weighting666"):
        biosig.load_model("weighting666/CBraMod/other.pth")


def test_a_refusal_says_what_to_do(hub):
    with pytest.raises(UsageError, match=r"not granted.*huggingface\.co/someone/gated.*auth login"):
        biosig.load_model("someone/gated")
    with pytest.raises(UsageError, match="no model someone/absent"):
        biosig.load_model("someone/absent")
    with pytest.raises(UsageError, match="no revision 'v9'"):
        biosig.load_model("brain-bzh/reve-base", revision="v9")
    shutil.copytree(SOURCE, hub.folder / "half", ignore=shutil.ignore_patterns("model.safetensors"))
    with pytest.raises(DataError, match=r"no model\.safetensors"):
        biosig.load_model("someone/half")


def test_without_a_network_the_way_by_hand_is_told(hub, monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(UsageError, match="biosig convert FOLDER"):
        biosig.load_model("brain-bzh/reve-base")


def test_a_path_never_reaches_the_network(hub, tmp_path):
    (tmp_path / "runs").mkdir()
    shutil.copytree(SOURCE, tmp_path / "brain-bzh" / "reve-base")
    for path in ("brain-bzh/reve-base", "runs/absent", "./a/b", Path("some/where")):
        with pytest.raises(UsageError):
            biosig.load_model(path)
    with pytest.raises(UsageError, match="no revision"):
        biosig.load_model("runs", revision="main")
    assert not hub.asked
