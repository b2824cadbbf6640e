"""The command line: help for every verb, exit statuses, one sentence for an error."""

import subprocess
import sys

import pytest

from biosig import samples
from biosig.cli.main import main, verbs
from biosig.cli.run_config import VERBS

HEAVY = ("torch", "scipy", "pandas", "sklearn")


def run(*argv):
    with pytest.raises(SystemExit) as ended:
        main(list(argv))
    return ended.value.code


def test_the_overview_names_every_verb_in_the_order_of_the_walk(capsys):
    assert run("--help") == 0
    out = capsys.readouterr().out
    places = [out.index(f"  {verb} ") for verb in ("inspect", "ingest", "verify", "pretrain", "embed", "probe", "demo")]
    assert places == sorted(places)
    assert run() == 2


@pytest.mark.parametrize("verb", sorted(verbs()))
def test_every_verb_explains_itself(verb, capsys):
    assert run(verb, "--help") == 0
    assert len(capsys.readouterr().out) > 200


@pytest.mark.parametrize(
    ("argv", "status", "words"),
    [
        (["diagnose"], 2, "there is no verb 'diagnose'"),
        (["inspect", "absent.edf"], 2, "absent.edf does not exist"),
        (["verify", "absent"], 2, "absent"),
        (["embed", "biosig-tiny", "absent", "--out", "a.parquet"], 2, "absent does not exist"),
        (["embed", "biosig-huge", ".", "--out", "a.parquet"], 2, "no preset of that name"),
        (["embed", "biosig-tiny", ".", "--out", "a.csv"], 2, "ends in .parquet"),
        (["embed", "biosig-tiny", __file__, "--out", f"{__file__}/a.parquet"], 1, "test_cli.py: File exists"),
        (["embed", "biosig-tiny", __file__, "--out", "a.parquet", "--query", "a == 1"], 2, "test_cli.py is not"),
        (["pretrain", "absent.yaml"], 2, "absent.yaml does not exist"),
        (["probe", "absent.yaml"], 2, "absent.yaml does not exist"),
    ],
)
def test_an_error_is_one_sentence_and_a_status(argv, status, words, capsys):
    assert run(*argv) == status
    out, err = capsys.readouterr()
    assert words in (out + err).replace("\n", " ")
    assert "Traceback" not in out + err


def test_debug_shows_the_traceback(capsys):
    run("pretrain", "absent.yaml", "--debug")
    assert "Traceback" in capsys.readouterr().err


def test_inspect_and_embed_a_file_from_the_shell(tmp_path):
    record = sorted(samples.path("ptbxl").rglob("*_lr.hea"))[0]
    biosig = [sys.executable, "-c", "from biosig.cli import main; main()"]
    shown = subprocess.run([*biosig, "inspect", record], capture_output=True, text=True, check=True).stdout
    assert "aVR" in shown
    assert "100 Hz" in shown
    out = tmp_path / "one.parquet"
    subprocess.run([*biosig, "embed", "biosig-tiny", record, "--out", out], check=True, capture_output=True)
    assert out.exists()


@pytest.mark.parametrize(
    "code",
    [
        "import biosig; biosig.open_shards; biosig.read",
        "from biosig.cli import main; main(['--help'])",
        "from biosig.cli import main; main(['finetune', '--help'])",
        "from biosig.cli import main; main(['finetune', 'absent.yaml'])",
    ],
    ids=["index", "overview", "help", "bad configuration"],
)
def test_what_needs_no_model_imports_no_torch(code):
    assert heavy_modules(code, "torch") == []


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["absent"], ["finetune", "absent=1"]], ids=" ".join)
def test_the_door_imports_no_heavy_package(arguments):
    assert heavy_modules(f"from biosig.cli import main; main({arguments})", *HEAVY) == []


def test_the_help_of_no_verb_imports_a_heavy_package():
    lines = ["import contextlib, io", "from biosig.cli import main"]
    lines += [
        f"\nwith contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()): main([{verb!r}, '--help'])"
        f"\nassert not {{*sys.modules}} & {set(HEAVY)}, {verb!r}"
        for verb in verbs()
    ]
    assert heavy_modules("; ".join(lines[:2]) + "".join(lines[2:]), *HEAVY) == []


@pytest.mark.parametrize("verb", VERBS)
def test_a_configuration_is_checked_without_torch_scipy_or_sklearn(verb):
    module, _, name = VERBS[verb].config.partition(":")
    code = f"import typing, {module}; typing.get_type_hints({module}.{name})"
    assert heavy_modules(code, "torch", "scipy", "sklearn") == []


def test_every_verb_with_a_configuration_is_installed():
    assert set(VERBS) <= set(verbs())


def heavy_modules(code, *names):
    """Which of the named packages a program has imported at its end."""
    ending = f"import atexit, sys; atexit.register(lambda: print(*(name for name in {names} if name in sys.modules)))"
    done = subprocess.run([sys.executable, "-c", f"{ending}; {code}"], capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
    return done.stdout.splitlines()[-1].split()
