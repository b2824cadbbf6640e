"""Environment of a result: versions, the command, and the git revision of a checkout."""

from __future__ import annotations

import platform
import shlex
import shutil
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = (
    "biosig-fm",
    "torch",
    "numpy",
    "scipy",
    "pandas",
    "pyarrow",
    "scikit-learn",
    "neurokit2",
    "mne",
    "wfdb",
    "peft",
    "pyriemann",
)


def environment() -> dict[str, str]:
    """Versions of Python and packages, the command, and the code's revision if it is a checkout."""
    found = {"python": platform.python_version(), "platform": platform.platform()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    found["command"] = shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])
    return found | revision(Path(__file__).parents[3])


def revision(root: Path) -> dict[str, str]:
    """The git commit that is checked out at `root`, and the number of tracked files that differ from it.

    Empty if `root` is not a checkout of its own (an installed package), or git is not installed.
    """
    if not (root / ".git").exists() or (head := _git(root, "rev-parse", "HEAD")) is None:
        return {}
    changed = _git(root, "status", "--porcelain", "--untracked-files=no")
    count = "unknown" if changed is None else str(len(changed.splitlines()))
    return {"git_revision": head.strip(), "git_changed_files": count}


def _git(root: Path, *arguments: str) -> str | None:
    """Output of a git command, or None if it fails."""
    program = shutil.which("git")
    if program is None:
        return None
    try:
        done = subprocess.run(  # noqa: S603
            [program, "-C", str(root), *arguments], capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout
