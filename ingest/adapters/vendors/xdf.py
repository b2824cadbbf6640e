"""XDF files of the Lab Streaming Layer, through pyxdf: every stream with its own rate, all on one clock.

Format: https://github.com/sccn/xdf/wiki/Specifications. pyxdf brings the devices' clocks together. Its own removal of
jitter joins gaps of up to 500 samples and clocks that go back, so the time stamps are taken as they are, and
`ingest.adapters.common.gaps` finds the runs of samples, which are laid on one even grid.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from biosig.electrodes import guess_kinds, kind_beside_eeg
from biosig.electrodes.channels import resolve_channel
from biosig.errors import UnreadableError
from biosig.reading import NEVER, Adapter, Identifier, make_recording
from biosig.recording import KINDS, Annotation, Channel, Recording, Stream
from biosig.sample_types import as_stored
from ingest.adapters.common.gaps import Span, check_span, gaps, note_on_gaps, sample_positions, spans_of
from ingest.adapters.common.subprocess_reader import read_isolated

_TAG = re.compile(rb"<(datetime|hostname|source_id|session_id|created_at|v[46]address)>([^<]+)</")
_HEAD = 2**20
_MAGIC = b"XDF:"


class XdfAdapter(Adapter):
    """Reads XDF files; pyxdf works in a process of its own, since a damaged length makes it take all memory."""

    name = "xdf"
    describes = "XDF (.xdf)"
    suffixes = (".xdf", ".xdfz")

    def read_recording(self, path: Path, *, lazy: bool) -> Recording:
        """Read one recording; streams of strings, and of single numbers without a rate, become annotations.

        Raises
        ------
        UnreadableError
            If the file is damaged, holds no signal, or pyxdf is not installed.
        """
        if find_spec("pyxdf") is None:
            raise UnreadableError(f"{path} needs the package pyxdf: run `pip install biosig-fm[xdf]`.")
        return read_isolated(XdfAdapter, path, lazy)

    def read_here(self, path: Path) -> Recording:
        """Read one recording in this process; `ingest.adapters.common.subprocess_reader` calls this."""
        import pyxdf

        try:
            found, _ = pyxdf.load_xdf(path, dejitter_timestamps=False)
        except Exception as error:  # pyxdf raises almost anything on damaged files
            raise UnreadableError(f"{path} cannot be read by pyxdf ({error}): fetch or record it again.") from None
        return _from_streams(path, found)

    def identifiers(self, path: Path) -> Iterator[Identifier]:
        """Fields of the header that tell who was recorded, when and with which device."""
        with path.open("rb") as file:
            head = file.read(_HEAD)
        sorts = {"datetime": "recording date", "created_at": "recording date"}
        for tag, value in dict.fromkeys(_TAG.findall(head)):
            field = tag.decode()
            yield Identifier(field, sorts.get(field, "device"), value.decode("utf-8", "replace"), NEVER)


def _from_streams(path: Path, found: Sequence[dict[str, Any]]) -> Recording:
    signals, markers, notes = [], [], []
    for one in found:
        name, rate = _text(one["info"], "name"), float(_text(one["info"], "nominal_srate") or 0)
        n_chans = int(_text(one["info"], "channel_count") or 0)
        notes += _losses(one, name)
        if not len(one["time_stamps"]):
            notes.append(f"Stream '{name}' is empty.")
        elif _text(one["info"], "channel_format") == "string" or (rate == 0 and n_chans == 1):
            markers.append(one)
        elif rate == 0:
            n = len(one["time_stamps"])
            notes.append(f"Stream '{name}' has no rate: its {n} samples of {n_chans} channels are left out.")
        else:
            signals.append(one)
    if not signals:
        raise UnreadableError(f"{path} holds no stream of samples at a rate: point to the recording of the signals.")
    start = min(float(one["time_stamps"][0]) for one in signals)
    streams = [_stream(path, one, start, notes) for one in signals]
    events = [event for one in markers for event in _markers(one, start, prefix=len(markers) > 1)]
    return make_recording(path, XdfAdapter.name, streams, annotations=events, notes=notes)


def _losses(one: dict[str, Any], name: str) -> list[str]:
    """Notes on lost samples, which the stream's footer counts; pyxdf passes over damaged parts in silence."""
    footer = (one.get("footer") or {}).get("info")
    if footer is None:
        return [f"Stream '{name}' has no footer: it was not closed, or the file is cut."]
    counted, found = _text(footer, "sample_count"), len(one["time_stamps"])
    if counted.isdecimal() and int(counted) > found:
        return [f"Stream '{name}' has {found} samples, where its footer counts {counted}: the rest is damaged or lost."]
    return []


def _stream(path: Path, one: dict[str, Any], start: float, notes: list[str]) -> Stream:
    """One stream on an even grid; `start` is the recording's, on the stream's clock."""
    channels, factors = zip(*_channels(one), strict=True)
    name = _text(one["info"], "name")
    stamps = np.asarray(one["time_stamps"], np.float64)
    spans = spans_of(stamps, f"The clock of stream '{name}' in {path}")
    sfreq = _rate(spans, one["info"], notes)
    lengths = [span.n_times for span in spans]
    check_span(path, float(stamps[-1] - stamps[0]), len(stamps) / sfreq, sfreq * len(channels))
    firsts = sample_positions([span.onset - spans[0].onset for span in spans], lengths, sfreq)
    values, rounded = as_stored(np.asarray(one["time_series"]).T, f"stream '{name}'")
    notes += rounded
    samples = np.zeros((len(channels), firsts[-1] + lengths[-1]), values.dtype)
    for first, span in zip(firsts, spans, strict=True):
        samples[:, first : first + span.n_times] = values[:, span.first : span.stop]
    notes += note_on_gaps(f"Stream '{name}'", *(np.divide(what, sfreq).tolist() for what in (firsts, lengths)))
    invalid = gaps(firsts, lengths, len(channels))
    onset = round(float(stamps[0]) + spans[0].onset - start, 9)
    return Stream(sfreq, channels, samples, np.array(factors), np.zeros(1), invalid, onset)


def _rate(spans: Sequence[Span], info: Any, notes: list[str]) -> float:
    """The header's rate, where no span is a sample longer or shorter by it; else the measured one, in few digits."""
    nominal, seconds = float(_text(info, "nominal_srate")), sum(span.seconds for span in spans)
    measured = sum(span.n_times - 1 for span in spans) / seconds if seconds > 0 else nominal

    def fits(sfreq: float) -> bool:
        return sfreq > 0 and all(abs((s.n_times - 1) / sfreq - s.seconds) <= 1 / sfreq for s in spans)

    if fits(nominal):
        return nominal
    sfreq = next((rate for digits in range(7) if fits(rate := round(measured, digits))), measured)
    off = max(abs((s.n_times - 1) / sfreq - s.seconds) for s in spans)
    note = f"Stream '{_text(info, 'name')}' has {sfreq:g} Hz by its time stamps, not {nominal:g} as its header says"
    notes.append(note + (f"; they differ from an even grid by up to {off:.2g} s." if off > 1 / sfreq else "."))
    return sfreq


def _channels(one: dict[str, Any]) -> list[tuple[Channel, float]]:
    """Each channel with the factor to its kind's unit, by its own description, else by its stream's type."""
    info = one["info"]
    described = _described(info)
    n_chans = int(_text(info, "channel_count"))
    if len(described) != n_chans:
        described = [{}] * n_chans
    common = _text(info, "type").lower()
    labels = [_text(channel, "label") or f"{_text(info, 'name')} {i}" for i, channel in enumerate(described, 1)]
    units = [_text(channel, "unit") for channel in described]
    guesses = guess_kinds(labels, units)
    out = []
    for channel, label, unit, kind in zip(described, labels, units, guesses, strict=True):
        own = _text(channel, "type").lower()
        if own in KINDS:
            kind = own
        elif common == "eeg" and not own and kind in ("ecg", "eeg", "misc"):
            kind = kind_beside_eeg(label)
        elif kind == "misc" and not own and common in KINDS:
            kind = common
        out.append(resolve_channel(label, unit, kind))
    return out


def _described(info: Any) -> list[Any]:
    """The header's list of channels; empty where it has none, which its writers spell in several ways."""
    try:
        return list(info["desc"][0]["channels"][0]["channel"])
    except (KeyError, IndexError, TypeError):
        return []


def _markers(one: dict[str, Any], start: float, prefix: bool) -> list[Annotation]:
    name = f"{_text(one['info'], 'name')}:" if prefix else ""
    rows = zip(np.asarray(one["time_stamps"]).tolist(), one["time_series"], strict=True)
    return [Annotation(round(t - start, 9), 0.0, f"{name}{value}") for t, row in rows for value in row if str(value)]


def _text(node: Any, key: str) -> str:
    """The text of an XML element as pyxdf gives it: a list of one, or nothing."""
    found = node.get(key) if hasattr(node, "get") else None
    return str(found[0] or "").strip() if found else ""
