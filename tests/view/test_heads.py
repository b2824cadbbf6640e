"""What a model's heads say of the stretch in view, by the path on which `embed` reads them."""

import pytest

import biosig
from biosig import samples
from biosig.models.heads.pooled import PooledHeadConfig

PATH = sorted(samples.path("ptbxl").rglob("*_lr.hea"))[0]


@pytest.fixture
def folder(tiny, tmp_path):
    head = PooledHeadConfig("ecg", ("ecg.rate", "ecg.qrs"), width=8).make(tiny.embed_dim)
    return biosig.Model(tiny.encoder, trained=True, heads=[head]).save(tmp_path / "model")


def test_heads_speak_of_the_stretch(serve, folder):
    found = serve(PATH, model=str(folder)).json("/api/recordings/0/heads", **{"from": 2, "to": 8})
    part = biosig.read(PATH).crop(2, 6)
    table = biosig.embed(biosig.load_model(folder), part, window=None, heads=True, device="cpu")
    wanted = {name.removeprefix("head."): table[name][0].as_py() for name in table.column_names if "head." in name}
    assert {each["name"]: each["value"] for each in found["heads"]} == pytest.approx(wanted)
    assert found["trained"]


def test_without_a_model_there_is_none(serve):
    assert serve(PATH).request("/api/recordings/0/heads?from=0&to=5")[0] == 404


def test_a_model_without_heads_says_so(serve, tiny, tmp_path):
    folder = biosig.Model(tiny.encoder, trained=True).save(tmp_path / "model")
    status, _, body = serve(PATH, model=str(folder)).request("/api/recordings/0/heads?from=0&to=5")
    assert status == 422
    assert b"has no heads" in body
