"""Windows of real recordings pooled to recordings and people: means, counts, seconds, intervals, and what is said."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

import biosig
from biosig.cli.apply import embed
from biosig.errors import UsageError
from biosig.models.heads.rate import RateHeadConfig
from biosig.models.model import Model, RandomWeightsWarning
from biosig.person_level import NoSubjectWarning, pool_embeddings, pool_predictions
from biosig.recording import Subject


def vectors(table, name="vector"):
    return np.stack(table[name].to_pylist()).astype(np.float64)


@pytest.fixture(scope="module")
def with_rate():
    """A fused model of random weights that gives its own pulse rate."""
    encoder = biosig.build_model("biosig-fused-tiny", seed=0).encoder
    model = Model(encoder, trained=False, heads=[RateHeadConfig().make(encoder.config.embed_dim)])
    model._warned = True
    return model


@pytest.fixture(scope="module")
def embedded(with_rate, bedside, ecg):
    """60 s of ECG and PPG in two recordings of one person, and an ECG of another."""
    one = replace(bedside.crop(0, 60), id="one", subject=Subject("S1"))
    two = replace(bedside.crop(80, 40), id="two", subject=Subject("S1"))
    return biosig.embed(with_rate, [one, two, replace(ecg, id="three", subject=Subject("S2"))], heads=True)


def test_a_recording_has_the_mean_of_its_windows(embedded):
    pooled = pool_embeddings(embedded, spread=True).to_pandas()
    assert list(zip(pooled["recording"], pooled["modality"], strict=True)) == [
        *(("one", m) for m in embedded["modality"].to_pylist()[:2]),
        *(("two", m) for m in embedded["modality"].to_pylist()[:2]),
        ("three", "ecg"),
    ]
    windows = embedded.to_pandas()
    for row in pooled.itertuples():
        of = windows[(windows["recording"] == row.recording) & (windows["modality"] == row.modality)]
        read = of[of["valid_fraction"] > 0]  # a recording that was cut out keeps its clock: nothing before its start
        x = np.stack(read["vector"]).astype(np.float64)
        np.testing.assert_allclose(row.vector, x.mean(axis=0), rtol=1e-5, atol=1e-6)
        if len(x) > 1:
            np.testing.assert_allclose(row.vector_sd, x.std(axis=0, ddof=1), rtol=1e-4, atol=1e-6)
        else:
            assert np.isnan(row.vector_sd).all()
        assert (row.n_windows, row.n_left_out, row.seconds) == (len(x), len(of) - len(x), 10.0 * len(x))


def test_a_person_has_the_windows_of_all_recordings(embedded):
    pooled = pool_embeddings(embedded, by="subject").to_pandas()
    assert pooled["subject"].tolist() == ["S1", "S1", "S2"]
    assert pooled["recording"].isna().all()
    assert pooled["n_recordings"].tolist() == [2, 2, 1]
    assert pooled["n_windows"].tolist() == [10, 10, 1]
    assert pooled["n_left_out"].tolist() == [8, 8, 0]
    assert pooled["seconds"].tolist() == [100.0, 100.0, 10.0]


def test_heads_give_their_median_with_an_interval_where_they_read(embedded):
    pooled = pool_embeddings(embedded, by="subject")
    rate = "head.ppg.heart_rate"
    of = [m == "ppg" for m in pooled["modality"].to_pylist()]
    assert [value is not None for value in pooled[rate].to_pylist()] == of
    row = pooled.to_pandas()[of].iloc[0]
    windows = embedded.to_pandas()
    expected = windows.loc[(windows["modality"] == "ppg") & (windows["subject"] == "S1"), rate].median()
    assert row[rate] == pytest.approx(expected)
    assert row[f"{rate}_low"] < row[rate] < row[f"{rate}_high"]


def test_windows_without_signal_count_for_nothing_and_are_counted(tiny, ecg):
    signal = ecg.streams[0].physical().copy()
    signal[:, 500:] = np.nan
    table = biosig.embed(tiny, signal, window=2.5, sfreq=100.0, ch_names=ecg.ch_names, kind="ecg")
    pooled = pool_embeddings(table)
    (row,) = pooled.select(["n_windows", "n_left_out", "seconds"]).to_pylist()
    assert row == {"n_windows": 2, "n_left_out": 2, "seconds": 5.0}
    np.testing.assert_allclose(vectors(pooled)[0], vectors(table)[:2].mean(axis=0), rtol=1e-5, atol=1e-6)
    nothing = pool_embeddings(table.slice(2))
    assert nothing["n_windows"].to_pylist() == [0]
    assert np.isnan(vectors(nothing)).all()


def test_overlapping_windows_cover_their_seconds_once(tiny, ecg):
    table = biosig.embed(tiny, ecg, window=4.0, stride=1.0)
    assert pool_embeddings(table)["seconds"].to_pylist() == [10.0]


def test_a_recording_without_subject_stands_for_itself_and_that_is_said(tiny, ecg):
    table = biosig.embed(tiny, [replace(ecg, id=name, subject=None) for name in "ab"], window=5.0)
    with pytest.warns(NoSubjectWarning, match=r"2 of 2 recordings have no subject .* \(the first is 'a'\)"):
        pooled = pool_embeddings(table, by="subject")
    assert pooled["recording"].to_pylist() == ["a", "b"]
    assert pooled["subject"].to_pylist() == [None, None]


def test_the_verb_pools_and_keeps_the_windows(bedside, ecg, tmp_path, capsys):
    from biosig.shards import ShardWriter, build_index

    (tmp_path / "shards").mkdir()
    with ShardWriter(tmp_path / "shards" / "a.h5", recipe={}) as writer:
        writer.add(replace(bedside.crop(0, 40), subject=Subject("S1")))
        writer.add(ecg)
    build_index(tmp_path / "shards")
    out = tmp_path / "people.parquet"
    with pytest.warns(RandomWeightsWarning):
        assert embed("biosig-tiny", tmp_path / "shards", out=out, by="recording", spread=True) == 0
    assert f"3 rows by recording and modality from the 5 windows of {out.with_name('people.windows.parquet')}" in (
        " ".join(capsys.readouterr().out.split())
    )
    kept = pq.read_table(tmp_path / "people.windows.parquet")
    pd.testing.assert_frame_equal(pq.read_table(out).to_pandas(), pool_embeddings(kept, spread=True).to_pandas())
    with pytest.raises(UsageError, match="add --by recording or --by subject"):
        embed("biosig-tiny", tmp_path / "shards", out=out, spread=True)


def made_predictions(n=200, seed=0):
    """Windows of two people, one recorded twice, whose score drifts about .7 and about .2."""
    rng = np.random.default_rng(seed)
    frames = []
    for recording, subject, mean in (("a", "S1", 0.7), ("b", "S1", 0.7), ("c", "S2", 0.2)):
        drift = np.convolve(rng.normal(size=n + 9), np.ones(10) / 10, "valid")
        score = np.clip(mean + 0.2 * drift, 0, 1)
        frames.append(
            pd.DataFrame(
                {
                    "recording": recording,
                    "subject": subject,
                    "onset": np.arange(n) * 10.0,
                    "duration": 10.0,
                    "score_no": 1 - score,
                    "score_yes": score,
                    "prediction": np.where(score > 0.5, "yes", "no"),
                    "lacks": "",
                }
            )
        )
    return pd.concat(frames, ignore_index=True)


def test_each_person_gets_one_answer_with_an_interval():
    table = made_predictions()
    people = pool_predictions(table)
    assert people["subject"].tolist() == ["S1", "S2"]
    assert people["prediction"].tolist() == ["yes", "no"]
    assert people["n_windows"].tolist() == [400, 200]
    assert people["caveat"].tolist() == ["", ""]
    np.testing.assert_allclose(people["score_yes"], table.groupby("subject")["score_yes"].mean())
    assert people["score_yes"].between(people["score_yes_low"], people["score_yes_high"]).all()
    alone = 2 * 1.96 * table.groupby("subject")["score_yes"].sem().to_numpy()
    assert ((people["score_yes_high"] - people["score_yes_low"]).to_numpy() > 1.8 * alone).all()  # drawn singly
    recordings = pool_predictions(table, by="recording")
    assert recordings["recording"].tolist() == ["a", "b", "c"]
    shuffled = pool_predictions(table.iloc[np.argsort(table["onset"].to_numpy(), kind="stable")[::-1]], by="recording")
    both = shuffled.set_index("recording").loc[["a", "b", "c"]].reset_index()
    pd.testing.assert_frame_equal(both, recordings)


def test_one_window_has_no_interval_and_says_so():
    table = made_predictions().iloc[[0, 400, 401, 402]].copy()
    table.loc[table.index[1], ["score_no", "score_yes"]] = np.nan
    one, three = pool_predictions(table, by="recording").to_dict("records")
    assert one["caveat"] == "one window: no interval"
    assert np.isnan([one["score_yes_low"], one["score_yes_high"]]).all()
    assert (three["n_windows"], three["n_left_out"], three["seconds"]) == (2, 1, 20.0)
    assert three["caveat"].startswith("fewer than 24 windows")
    nothing = table.assign(score_yes=np.nan)
    (first, _) = pool_predictions(nothing, by="recording").to_dict("records")
    assert first["caveat"] == "no window has a prediction"
    assert first["prediction"] is None


def test_numbers_are_not_bounded():
    table = made_predictions().drop(columns=["score_no", "score_yes"])
    table["prediction"] = 60 + 40 * np.random.default_rng(0).normal(size=len(table))
    people = pool_predictions(table)
    assert list(people.columns[-4:]) == ["prediction", "prediction_low", "prediction_high", "caveat"]
    np.testing.assert_allclose(people["prediction"], table.groupby("subject")["prediction"].mean())


def test_what_cannot_be_pooled_is_said(embedded):
    with pytest.raises(UsageError, match="by is 'person'; give recording or subject"):
        pool_embeddings(embedded, by="person")
    with pytest.raises(UsageError, match="no column 'vector': give an embedding"):
        pool_embeddings(embedded.drop(["vector"]))
    with pytest.raises(UsageError, match="no column 'prediction': give predictions"):
        pool_predictions(embedded.drop(["vector"]).to_pandas())
    with pytest.raises(UsageError, match="no window"):
        pool_predictions(made_predictions().iloc[:0])
    other = embedded.set_column(
        embedded.column_names.index("model_revision"), "model_revision", [["x"] * embedded.num_rows]
    )
    import pyarrow as pa

    with pytest.raises(UsageError, match="vectors of 2 models"):
        pool_embeddings(pa.concat_tables([embedded, other]))
