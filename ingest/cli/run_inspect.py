"""Tables of a recording, of a folder of them, and of the part that a model would see, for the verb `inspect`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from biosig.electrodes import canonical_orientation
from biosig.electrodes.channels import has_electrode
from biosig.errors import BiosigError, DataError
from biosig.given import given_by
from biosig.reading import Adapter
from biosig.recording import MODALITIES, Recording, Stream, is_known
from biosig.signal import is_flat
from biosig.unread_files import what_to_do
from ingest.adapters.tables.draft import draft as first_mapping
from ingest.adapters.tables.mapping import load_mapping
from ingest.cli.privacy_report import show_privacy
from ingest.pipeline.discover import SourceRecording, adapters_with, discover
from ingest.preprocess.amplitude import robust_scales

_WIDTH = 132  # of the tables; a narrower terminal wraps their lines
_SHOWN = 8  # kinds of annotation
_TURNED = ", turned over"
_PRESET = "biosig-base"  # the preset whose input contract `inspect` shows; -small and -large share it


def run_inspect(path: Path, mapping: Path | None, privacy: bool, draft: bool, overrides: Sequence[str]) -> int:
    """Print what `inspect` is asked for; returns the exit status."""
    console = Console(highlight=False)
    console = Console(highlight=False, soft_wrap=True, width=max(console.width, _WIDTH))
    if draft:
        console.print(first_mapping(path), markup=False, emoji=False, end="")
        return 0
    tables = load_mapping(mapping) if mapping else None
    found = discover([path], tables)
    known = adapters_with(tables, given_by(overrides))
    if privacy:
        return show_privacy(found, known, console)
    failures: list[str] = []
    if len(found.items) == 1:
        item = found.items[0]
        _show(known[item.adapter].read(item.path, lazy=False, **item.options), console)
    elif found.items:
        failures = _list(found.items, known, console)
    failures += [failure.sentence for failure in found.failures]
    for file in found.packed[:_SHOWN] if path.is_dir() else ():
        console.print(f"not looked into: {what_to_do(file)}", markup=False)
    for sentence in failures:
        console.print(f"failed: {sentence}", markup=False)
    return 1 if failures else 0


def _list(items: Sequence[SourceRecording], known: dict[str, Adapter], console: Console) -> list[str]:
    """Print a line per recording, and notes on several; returns sentences on those that cannot be read."""
    say = lambda text: console.print(text, markup=False)  # noqa: E731
    summary = Table("recording", "kinds", "channels", "sfreq (Hz)", "duration (s)", "events", "notes", box=None)
    notes: Counter[str] = Counter()
    refusals: list[str] = []
    failures: list[str] = []
    for item in items:
        try:
            r = known[item.adapter].read(item.path, lazy=True, **item.options)
            refusals += _refusal(r)
        except BiosigError as error:
            failures.append(str(error))
            continue
        except Exception as error:  # a foreign library on a damaged file must not end the list
            failures.append(f"{item.path} cannot be inspected ({type(error).__name__}: {error}): please report it.")
            continue
        notes.update(set(r.notes))
        rates = ", ".join(f"{s.sfreq:g}" for s in r.streams)
        numbers = (str(len(r.channels)), rates, f"{r.duration:.1f}", str(len(r.annotations)), str(len(r.notes)))
        summary.add_row(item.relative, "+".join(r.kinds), *numbers)
    console.print(summary)
    for note, n in notes.most_common(_SHOWN):
        say(f"note on {n} of {len(items)}: {note}")
    if len(notes) > _SHOWN:
        say(f"Other notes: {len(notes) - _SHOWN}; inspect a recording alone to see its own.")
    for refusal in refusals[:_SHOWN]:
        say(refusal)
    if len(refusals) > _SHOWN:
        say(f"Others that ingest would refuse: {len(refusals) - _SHOWN}.")
    return failures


def _refusal(recording: Recording) -> list[str]:
    """Sentences with which ingest would refuse impossible amplitudes."""
    try:
        robust_scales(recording, recording.source.path)
    except DataError as error:
        return [f"ingest would refuse it: {error}"]
    return []


def _show(recording: Recording, console: Console) -> None:
    r = recording
    say = lambda text: console.print(text, markup=False)  # noqa: E731
    say(f"{r.source.path} ({r.source.adapter}): {'+'.join(r.kinds)}, {r.duration:.2f} s")
    table = Table(
        "in the file", "name", "kind", "position (m)", "reference (m)", "unit", "sfreq", "the model sees", box=None
    )
    seen = [what for stream in r.streams for what in _seen(stream)]
    rates = [f"{stream.sfreq:g} Hz" for stream in r.streams for _ in stream.channels]
    for channel, rate, what in zip(r.channels, rates, seen, strict=True):
        table.add_row(
            channel.source_name,
            channel.name,
            channel.kind,
            _place(channel.position) + (" measured" if channel.position_source == "measured" else ""),
            _place(channel.reference),
            channel.unit or "?",
            rate,
            what,
        )
    console.print(table)
    if any(_TURNED in what for what in seen):
        say(f"{_TURNED.strip(', ')}: seen as reference − position with the sign changed, so A−B and B−A are one.")
    for line in (*_amplitudes(r), *_contracts(r)):
        say(line)
    if r.annotations:
        counts = Counter(a.label for a in r.annotations).most_common(_SHOWN)
        say(f"{len(r.annotations)} annotations: " + ", ".join(f"{label} × {n}" for label, n in counts))
    if r.labels:
        say("labels: " + ", ".join(f"{name} = {value}" for name, value in r.labels.items()))
    if r.subject is not None:
        age = "unknown" if r.subject.age is None else f"{r.subject.age:g} years"
        given = "given (a pseudonym once ingested)" if r.subject.id else "not given"
        say(f"subject: id {given}, age {age}, sex {r.subject.sex or 'unknown'}")
    else:
        say("subject: not given; join one with --labels or --subject-pattern on ingest")
    for note in r.notes:
        say(f"note: {note}")


def _place(position: tuple[float, float, float]) -> str:
    return "({:.3f}, {:.3f}, {:.3f})".format(*position) if is_known(position) else "–"


def _seen(stream: Stream) -> list[str]:
    """Use of each channel in a model."""
    places = np.array([c.position for c in stream.channels]), np.array([c.reference for c in stream.channels])
    uses = []
    for channel, dead, sign in zip(
        stream.channels, is_flat(stream.physical()), canonical_orientation(*places), strict=True
    ):
        if dead:
            uses.append("flat throughout: nothing")
        elif channel.kind not in MODALITIES:
            uses.append("stored, no tokens")
        elif channel.kind == "eeg" and not has_electrode(channel):
            uses.append("no known electrode: stored, no tokens")
        else:
            placeless = "" if is_known(channel.position) else ", no position"
            uses.append(f"{channel.kind} tokens" + placeless + (_TURNED if sign < 0 else ""))
    return uses


def _amplitudes(recording: Recording) -> list[str]:
    """Per kind its robust scale and how much is invalid, as ingest would find them."""
    scales, _ = robust_scales(recording, None)
    lines = []
    for kind in recording.kinds:
        streams = list(recording.of_kind(kind))
        units = {channel.unit or "?" for stream in streams for channel in stream.channels}
        unit = units.pop() if len(units) == 1 else "in units of their own"
        text = f"{kind}: robust scale {scales[kind]:.3g} {unit}" if kind in scales else f"{kind}: no amplitude"
        n_invalid = sum(int((~stream.valid()).sum()) for stream in streams)
        n = sum(stream.samples.size for stream in streams)
        lines.append(text + (f", {100 * n_invalid / n:.3g} % of samples invalid" if n_invalid else ""))
    return lines + _refusal(recording)


def _contracts(recording: Recording) -> list[str]:
    """Rate, channels and patches that the presets see of each modality."""
    from biosig.batches.channel_layout import channels_read
    from biosig.models.presets import preset  # imports torch

    lines = []
    contracts = preset(_PRESET).contract
    for kind, channels in channels_read(recording.channels, contracts).items():
        contract = contracts[kind]
        longest = max(stream.duration for stream in recording.of_kind(kind))
        patches = contract.n_patches_in(longest)
        lines.append(
            f"{_PRESET} sees {kind} at {contract.sfreq:g} Hz: {len(channels)} channels × {patches} patches of "
            f"{contract.patch_seconds:g} s"
            if patches
            else f"{_PRESET} sees nothing of {kind}: {longest:g} s are less than one patch of "
            f"{contract.patch_seconds:g} s"
        )
    return lines
