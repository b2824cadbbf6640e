"""Any file of half-done work deleted, cut, doubled or copied: it is named, and everything else goes on."""

import shutil
import warnings
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from safetensors.torch import load_file

import biosig
from biosig import config as configuration
from biosig import samples
from biosig.cli.data import verify
from biosig.downstream.experiments.finetune import run_finetune
from biosig.downstream.experiments.probe import run_probe
from biosig.downstream.finetune.config import FineTuneConfig
from biosig.downstream.probe.config import ProbeConfig
from biosig.embedding import embed_to_file
from biosig.errors import UnreadableError
from biosig.features.feature_table import table_to_file
from biosig.pretrain.config import PretrainConfig, SourceConfig
from biosig.pretrain.loop import pretrain
from biosig.shards.index import build_index
from biosig.shards.writer import ShardWriter
from biosig.sources import as_windows
from ingest.cli.ingest import ingest

pytestmark = pytest.mark.slow

ECGS = sorted(samples.path("ptbxl").rglob("*_lr.hea"))[:8]
TASK = {
    "model": "biosig-tiny",
    "target": {"label": "half", "classes": {"even": ["even"], "odd": ["odd"]}},
    "windows": {"length": 5.0},
    "split": {"folds": 2, "validation": 0.34},
    "n_bootstrap": 100,
    "baselines": ["chance", "shallow"],
}
STAGE = {"lr": 1e-3, "epochs": 2, "patience": 9, "mixup": False}
KINDS = {"embed": 6, "features": 12, "probe": 6, "finetune": 9, "pretrain": 5, "ingest": 6}
"""Each kind of work, and after how many steps it is stopped."""

HOW = ("gone", "short", "doubled", "copied")


class _Stop(BaseException):
    """As abrupt as Ctrl-C."""


@dataclass
class _Work:
    """One kind of work in a folder: `go` does it, telling of its steps; `read` gives what must be equal."""

    kind: str
    shards: Path
    tiny: biosig.Model

    def go(self, folder, progress):
        out, shards = folder / "out", self.shards
        parts = {"embed": partial(embed_to_file, self.tiny, batch_tokens=300), "features": table_to_file}
        if self.kind in parts:
            parts[self.kind](windows=as_windows(shards, 2.0), out=folder / "out.parquet", progress=progress)
        elif self.kind == "probe":
            values = {**TASK, "shards": str(shards), "out": str(out), "network": STAGE}
            run_probe(configuration.load(ProbeConfig, values), progress)
        elif self.kind == "finetune":
            stages = dict.fromkeys(("probe", "tune", "scratch"), STAGE)
            values = {**TASK, "shards": str(shards), "out": str(out), **stages}
            run_finetune(configuration.load(FineTuneConfig, values), progress)
        elif self.kind == "pretrain":
            options = {
                "steps": 7,
                "batch_tokens": 900,
                "checkpoint_every": 2,
                "log_every": 1,
                "device": "cpu",
                "precision": "float32",
            }
            pretrain(PretrainConfig(out=out, sources=[SourceConfig(shards)], model="biosig-tiny", **options), progress)
        else:
            self._ingest(folder, progress)

    def _ingest(self, folder, progress):
        from ingest.pipeline import batch

        def prepared(*arguments):
            progress("ingest", arguments[1].path.stem)
            return prepare(*arguments)

        prepare = batch.prepare
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(batch, "prepare", prepared)
            patch.setattr(batch, "SHARD_RECORDINGS", 2)
            key = self.shards / "secret.key"
            assert ingest(tuple(ECGS), out=folder / "out", key=key, workers=1, resume=(folder / "out").exists()) == 0

    def read(self, folder):
        if self.kind in ("embed", "features"):
            return repr(pq.read_table(folder / "out.parquet").to_pylist())
        assert verify(folder / "out") == 0
        if self.kind == "ingest":
            table = biosig.open_shards(folder / "out").to_pandas().sort_values("recording")
            return table[["recording", "subject", "checksum", "content_hash"]].to_csv(index=False)
        out = folder / "out"
        paths = [path for path in sorted(out.rglob("*.safetensors")) if not path.name.startswith("training")]
        arrays = [{name: x.numpy().tobytes() for name, x in load_file(path).items()} for path in paths]
        tables = [(out / name).read_bytes() for name in ("metrics.json", "splits.json") if (out / name).exists()]
        return arrays, tables


@pytest.fixture(scope="module", params=KINDS)
def half(request, tmp_path_factory, tiny):
    """The work, its half-done folder, what comes out undisturbed, and the steps of doing all and of going on."""
    folder = tmp_path_factory.mktemp(request.param)
    shards = folder / "shards"
    shards.mkdir()
    (shards / "secret.key").write_text("00112233445566778899aabbccddeeff")
    with ShardWriter(shards / "00000.h5", recipe={}) as writer:
        for number, path in enumerate(ECGS):
            labels = {"half": ("even", "odd")[number % 2]}
            writer.add(replace(biosig.read(path), subject=biosig.Subject(f"p{number}"), labels=labels))
    build_index(shards)
    work = _Work(request.param, shards, tiny)
    with pytest.MonkeyPatch.context() as patch:
        for module in ("biosig.embedding_file", "biosig.features.feature_table"):
            patch.setattr(f"{module}.PART_WINDOWS", 4)
        for name in ("whole", "half"):
            (folder / name).mkdir()
        all_steps, warned = _steps(work, folder / "whole")
        assert not warned
        steps = []

        def stopping(stage, *_):
            steps.extend([stage] if stage != "prepare" else [])
            if len(steps) == KINDS[work.kind]:
                raise _Stop

        with pytest.raises(_Stop):
            work.go(folder / "half", stopping)
        going_on, warned = _steps(work, shutil.copytree(folder / "half", folder / "again"))
        assert not warned
        assert 0 < len(going_on) < len(all_steps)
        assert work.read(folder / "again") == work.read(folder / "whole")
        yield work, folder, work.read(folder / "whole"), all_steps, going_on


def _steps(work, folder):
    """The steps of a run, and what it warned of its own work."""
    steps = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        work.go(folder, lambda *what: steps.extend([what[:2]] if what[0] != "prepare" else []))
    warned = [warning for warning in caught if warning.category.__name__ in ("DamagedWorkWarning", "EditedWarning")]
    return steps, " ".join(str(warning.message) for warning in warned)


def _damage(path, how):
    content = path.read_bytes()
    if how == "gone":
        path.unlink()
    elif how == "copied":
        path.with_name(f"{path.stem}-copy{path.suffix}").write_bytes(content)
    else:
        path.write_bytes(content[: len(content) // 2] if how == "short" else content * 2)


NOT_WORK = ("index.parquet", "index.parquet.sha256")
"""Made again from the shards at each ingest."""


@pytest.mark.parametrize("how", HOW)
def test_a_file_that_is_not_whole_is_named_and_everything_else_goes_on(half, tmp_path, how, caplog):
    work, folder, whole, all_steps, going_on = half
    files = [path for path in (folder / "half").rglob("*") if path.is_file() and "tensorboard" not in str(path)]
    assert len(files) >= 3
    faults = []
    for path in sorted(files):
        place = shutil.copytree(folder / "half", tmp_path / "place")
        damaged = place / path.relative_to(folder / "half")
        _damage(damaged, how)
        caplog.clear()
        is_state = damaged.name == "training.safetensors"
        if is_state and how in ("short", "doubled"):  # starting a pretraining anew is for somebody to decide
            with pytest.raises(UnreadableError, match=r"training\.safetensors is damaged.*delete it to"):
                _steps(work, place)
            damaged.unlink()
        steps, warned = _steps(work, place)
        warned += caplog.text
        name = str(path.relative_to(folder / "half"))
        if how == "copied":
            is_named = damaged.with_name(f"{path.stem}-copy{path.suffix}").name in warned
            is_read = work.kind != "pretrain" and (work.kind != "ingest" or path.suffix == ".h5")
            named = is_named or not is_read
        else:
            shown = path.parent.name if "weights" in path.parts else path.name
            named = shown.removesuffix(".sha256") in warned or path.name in NOT_WORK
        faults += [] if named else [f"{name}: not named ({warned})"]
        faults += [] if work.read(place) == whole else [f"{name}: another result"]
        guards = path.name in ("SHA256SUMS", "run.json", "log.jsonl", "config.yaml") or path.suffix == ".sha256"
        if how == "copied" or (guards and "weights" not in path.parts):
            faults += [] if len(steps) <= len(going_on) else [f"{name}: {len(steps)} steps, {len(going_on)} are left"]
        elif not is_state:
            faults += [] if len(steps) < len(all_steps) else [f"{name}: everything is done again"]
        shutil.rmtree(place)
    assert not faults, "\n".join(faults)
