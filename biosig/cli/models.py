"""The verb `models`: a table of `biosig.list_models`."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from biosig.cli.tables import print_lines


def models() -> int:
    """List the models that have a name: weights that come with the package, and presets, whose weights are random.

    Every verb and configuration that takes a model takes these names; untrained:NAME is a preset's random weights where
    trained ones ship. A second table has the public encoders that Biosig converts: their input, step by step, under
    which licence their weights are, and where.
    """
    from biosig.models.listing import list_models
    from biosig.models.zoo.table import list_public

    console = Console()
    shown = Table()
    for column in ("model", "weights", "parameters", "reads", "licence", "note"):
        wraps = column in ("reads", "note")
        shown.add_column(column, justify="right" if column == "parameters" else "left", no_wrap=not wraps)
    for one in list_models():
        size = "" if one.n_parameters is None else f"{one.n_parameters:,}"
        reads = ", ".join(one.modalities)
        shown.add_row(one.name, "trained" if one.weights else "random", size, reads, one.licence, one.note)
    console.print(shown)
    public = Table(title="Public encoders: their weights are not here")
    for column in ("model", "reads", "channels", "rate", "length", "steps", "licence", "weights are at"):
        public.add_column(column, no_wrap=column in ("model", "reads", "rate"))
    for row in list_public():
        public.add_row(row.name, row.modality, row.channels, row.sfreq, row.length, row.steps, row.licence, row.where)
    console.print(public)
    print_lines(
        console, "Download a file of weights, then run 'biosig convert FILE --out DIR' and give DIR as the model."
    )
    if not any(one.weights for one in list_models()):
        print_lines(console, "No trained weights come with this version: every model here begins with random ones.")
    return 0
