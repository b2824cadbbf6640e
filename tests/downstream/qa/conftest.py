"""PTB-XL samples as questions need them, and a network small enough to answer on in seconds."""

import ast
from dataclasses import replace

import pandas as pd
import pytest

import biosig
from biosig import samples
from biosig.downstream.qa.clinical_facts import facts_of
from biosig.evaluate.duplicates import duplicates_in
from biosig.models.encoder import Encoder
from biosig.models.model import Model
from biosig.models.presets import preset
from biosig.models.text import Tokenizer
from biosig.recording import Subject
from biosig.shards import ShardWriter, build_index, open_shards


@pytest.fixture(scope="session")
def coded_shards(tmp_path_factory):
    """The first 60 PTB-XL samples with SCP codes and superclasses."""
    folder = samples.path("ptbxl")
    statements = pd.read_csv(folder / "scp_statements.csv", index_col=0)
    superclass = statements.loc[statements["diagnostic"] == 1, "diagnostic_class"]
    out = tmp_path_factory.mktemp("coded")
    with ShardWriter(out / "ecg.h5", recipe={}) as writer:
        for number, row in enumerate(pd.read_csv(folder / "ptbxl_database.csv").head(60).itertuples()):
            codes = list(ast.literal_eval(row.scp_codes))
            writer.add(
                replace(
                    biosig.read(folder / f"{row.filename_lr}.hea"),
                    subject=Subject(f"P{number // 2}", float(row.age), ("male", "female")[int(row.sex)]),
                    labels={
                        "scp_codes": codes,
                        "diagnostic_superclass": sorted({superclass[c] for c in codes if c in superclass}),
                    },
                )
            )
    build_index(out)
    return open_shards(out)


def people_in(ds):
    index = ds.to_pandas()
    return duplicates_in(ds).people(index["subject"], index["content_hash"])


@pytest.fixture(scope="session")
def coded_facts(coded_shards):
    return facts_of(coded_shards, people_in(coded_shards))


@pytest.fixture(scope="session")
def small_model():
    """One block of width 32, with text."""
    config = replace(preset("biosig-tiny"), embed_dim=32, depth=1, num_heads=1, head_dim=32, name="small")
    return Model(Encoder(config), trained=False, tokenizer=Tokenizer.default())


@pytest.fixture(scope="session")
def small_folder(small_model, tmp_path_factory):
    return small_model.save(tmp_path_factory.mktemp("models") / "small")
