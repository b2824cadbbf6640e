"""The command line: each verb is a typed function that Python can call too; tyro turns it into ``--help`` and options.

Verbs come from the entry-point group ``biosig.verbs``, so that `biosig` need not import `ingest`.
"""

from __future__ import annotations

import sys
import traceback
import warnings
from collections.abc import Sequence
from importlib.metadata import EntryPoint, entry_points

import tyro
from rich.console import Console

from biosig import __version__
from biosig.errors import BiosigError

_ORDER = (
    "inspect",
    "view",
    "ingest",
    "verify",
    "index",
    "merge",
    "export",
    "features",
    "convert",
    "models",
    "pretrain",
    "embed",
    "probe",
    "demo",
)


def verbs() -> dict[str, EntryPoint]:
    """The installed verbs by name, in the order in which a signal meets them."""
    found = {point.name: point for point in entry_points(group="biosig.verbs")}
    known = [name for name in _ORDER if name in found]
    return {name: found[name] for name in known + sorted(set(found) - set(known))}


def _usage() -> str:
    lines = [
        f"biosig {__version__}: a foundation-model platform for ECG, PPG and EEG. For research, not a medical device."
    ]
    lines += ["", "usage: biosig VERB [options]      (biosig VERB --help explains every option)", ""]
    for name, point in verbs().items():
        summary = (point.load().__doc__ or "").strip().splitlines()[0]  # so a verb imports what it needs when it runs
        lines.append(f"  {name:<10} {summary}")
    return "\n".join([*lines, "", "  --debug    show the traceback of an error", "  --version  print the version"])


def main(argv: Sequence[str] | None = None) -> None:
    """Run one verb and exit: 0 done, 1 bad data, 2 bad usage."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in arguments
    arguments = [argument for argument in arguments if argument != "--debug"]
    errors = Console(stderr=True, soft_wrap=True, highlight=False)
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        sys.stdout.write(_usage() + "\n")
        sys.exit(0 if arguments else 2)
    if arguments[0] == "--version":
        sys.stdout.write(f"{__version__}\n")
        sys.exit(0)
    verb = verbs().get(arguments[0])
    if verb is None:
        errors.print(f"biosig: there is no verb '{arguments[0]}'; verbs are {', '.join(verbs())}.", markup=False)
        sys.exit(2)
    try:
        with warnings.catch_warnings():
            warnings.showwarning = lambda message, *_: errors.print(f"biosig {verb.name}: {message}", markup=False)
            status = tyro.cli(verb.load(), prog=f"biosig {verb.name}", args=arguments[1:])
    except BiosigError as error:
        if debug:
            traceback.print_exc()
        errors.print(f"biosig {verb.name}: {error}", markup=False)
        sys.exit(error.exit_status)
    except OSError as error:  # refused by the system: no space, no right to write, a file where a folder must be
        if debug:
            traceback.print_exc()
        where = f"{error.filename}: " if error.filename else ""
        errors.print(f"biosig {verb.name}: {where}{error.strerror or error}.", markup=False)
        sys.exit(1)
    except KeyboardInterrupt:
        errors.print(f"biosig {verb.name}: interrupted; what was published stays whole.", markup=False)
        sys.exit(130)
    sys.exit(int(status or 0))
