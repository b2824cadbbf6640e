"""Reports become words: cleaned as CSFM's were, never unknown, never cut in silence."""

import pickle
import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

import biosig
from biosig import samples
from biosig.errors import DataError, UnreadableError, UsageError
from biosig.models.encoder import Encoder
from biosig.models.model import Model
from biosig.models.presets import preset
from biosig.models.report_tokens import RecordingWords
from biosig.models.text import Tokenizer, clean_report

TABLE = samples.path("ptbxl") / "ptbxl_database.csv"


@pytest.fixture(scope="module")
def tokenizer():
    return Tokenizer.default()


@pytest.mark.parametrize(
    ("report", "cleaned"),
    [
        ("Sinus rhythm.\nNormal ECG.", "Sinus rhythm, Normal ECG"),
        ("Sinus rhythm. Compared to the previous tracing of 1.1.2001, no change.\nTRACING #1", "Sinus rhythm"),
        ("sinus rhythm. compared with tracing of 12:9:91, it is not  significantly changed.", "sinus rhythm"),
        ("No previous tracing available for comparison.", ""),
        ("QRS 0.12 s.  Lagetyp   normal", "QRS 0.12 s, Lagetyp normal"),
        (" - \n.", ""),
        ("", ""),
    ],
)
def test_cleaning(report, cleaned):
    assert clean_report(report) == cleaned
    assert clean_report(cleaned) == cleaned


def test_every_shipped_report_is_written_in_known_words_and_read_back(tokenizer):
    for report in pd.read_csv(TABLE)["report"]:
        ids = tokenizer.encode(report)
        assert len(ids) <= preset("biosig-tiny").text.n_tokens
        assert tokenizer.decode(ids) == clean_report(report).lower()


def test_words_of_reports_are_short_and_foreign_text_is_spelled_not_lost(tokenizer):
    assert len(tokenizer.encode("Sinusrhythmus. Normales EKG")) <= 6
    assert tokenizer.decode(tokenizer.encode("心电图 ÅÄÖ")) == "心电图 åäö"
    assert max(tokenizer.encode("\x00 心 ~")) < tokenizer.n_words
    assert tokenizer.encode(" . ") == []


def test_the_presets_have_the_words_of_the_tokenizer_that_ships(tokenizer):
    assert {preset(f"biosig-{s}").text.n_words for s in ("tiny", "small", "base", "large")} == {tokenizer.n_words}


def test_the_same_table_gives_the_same_file(tmp_path):
    for name in ("a", "b"):
        command = [sys.executable, "-m", "tools.make_tokenizer", TABLE, "--out", tmp_path / name]
        subprocess.run([*command, "--query", "strat_fold <= 8"], check=True)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert 256 < Tokenizer.load(tmp_path / "a").n_words < Tokenizer.default().n_words


def test_a_bert_vocabulary_loads(tmp_path):
    (tmp_path / "vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nsinus\n##rhythm\nnormal\n,\n")
    bert = Tokenizer.load(tmp_path / "vocab.txt")
    assert bert.encode("Sinusrhythm. NORMAL") == [5, 6, 8, 7]
    bert.save(tmp_path / "tokenizer.json")
    assert Tokenizer.load(tmp_path / "tokenizer.json").encode("sinus") == [5]


def test_a_file_that_is_no_tokenizer_is_refused(tmp_path):
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(UnreadableError, match="is not a tokenizer"):
        Tokenizer.load(tmp_path / "tokenizer.json")
    with pytest.raises(UsageError, match="no tokenizer file"):
        Tokenizer.load(tmp_path / "absent.json")


def test_a_report_that_is_too_long_is_an_error_or_cut_and_counted(tokenizer):
    long, short, none = (SimpleNamespace(id=f"r{n}", report=r) for n, r in enumerate(("sinus " * 9, "sinus", None)))
    with pytest.raises(DataError, match=r"recording 'r0' has 9 tokens.*up to 4"):
        RecordingWords(tokenizer, 4)(long)
    words = pickle.loads(pickle.dumps(RecordingWords(tokenizer, 4, cut=True)))
    assert [len(words(r)) for r in (long, short, none, long)] == [4, 1, 0, 4]
    assert words.n_cut == 1


def test_a_saved_model_keeps_its_tokenizer_and_one_without_leaves_none(tiny, tokenizer, tmp_path):
    tiny.save(tmp_path)
    model = biosig.load_model(tmp_path)
    assert model.tokenizer.encode("Sinusrhythmus") == tokenizer.encode("Sinusrhythmus")
    assert model.with_random_weights(1).tokenizer is model.tokenizer
    model.tokenizer = None
    model.save(tmp_path)
    assert biosig.load_model(tmp_path).tokenizer is None


def test_text_is_a_modality_of_our_presets(tiny, ecg):
    signal = ecg.streams[0].physical()[None]
    options = {"sfreq": 100, "ch_names": ecg.streams[0].ch_names, "kind": "ecg"}
    bare, with_text, other = (
        tiny.encode(signal, text=text, **options)
        for text in (None, ["sinus rhythm. normal ecg."], ["normal ecg sinus rhythm"])
    )
    assert with_text.text.shape == (1, len(tiny.tokenizer.encode("sinus rhythm, normal ecg")), tiny.embed_dim)
    assert not torch.allclose(with_text.pooled, bare.pooled, atol=1e-4)
    assert not torch.allclose(with_text.pooled, other.pooled, atol=1e-4)  # the order of words matters
    assert torch.equal(tiny.encode(signal, text=["-"], **options).pooled, bare.pooled)  # cleaned away
    with pytest.raises(UsageError, match="up to 128: shorten it"):
        tiny.encode(signal, text=["心" * 200], **options)


def test_a_model_that_reads_no_text_says_so(tiny, ecg):
    silent = Model(Encoder(replace(tiny.config, text=None)), trained=True)
    with pytest.raises(UsageError, match="no text modality"):
        silent.encode(ecg.streams[0].physical()[None], 100, ecg.streams[0].ch_names, "ecg", text=["sinus rhythm"])


def test_word_ids_may_be_an_array(tiny, ecg):
    signal = np.repeat(ecg.streams[0].physical()[None], 2, axis=0)
    ids = np.array([[3, 4, 5], [7, 8, 9]])
    expected = tiny.word_ids(ids.tolist(), 2)
    assert tiny.word_ids(ids, 2) == tiny.word_ids(torch.tensor(ids), 2) == tiny.word_ids(list(ids), 2) == expected
    assert tiny.word_ids([ids[0], None], 2) == [expected[0], []]
    options = {"sfreq": 100, "ch_names": ecg.streams[0].ch_names, "kind": "ecg"}
    one, other = (tiny.encode(signal, text=text, **options) for text in (ids, ids.tolist()))
    assert torch.equal(one.pooled, other.pooled)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (np.array([3, 4]), "is not a text: give a string, word ids such as"),
        (np.array([[3.5], [4.0]]), "has the word id 3.5"),
        (np.array([[3, 4]]), "one entry per window, 2 of them"),
        (np.array(3), "one entry per window, 2 of them"),
        (3, "one entry per window, 2 of them"),
    ],
)
def test_what_is_neither_text_nor_word_ids_is_refused_in_a_sentence(tiny, text, sentence):
    with pytest.raises(UsageError, match=sentence):
        tiny.word_ids(text, 2)
