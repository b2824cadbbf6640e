"""Models on the Hugging Face hub, fetched into its cache; what stands in the way is said in one sentence."""

from __future__ import annotations

import re
from pathlib import Path

from biosig.errors import DataError, UsageError
from biosig.file_sums import SUMS
from biosig.models.checkpoint import CARD, CONFIG, LEDGER, OLD_LEDGER, TOKENIZER, WEIGHTS


def is_repository(source: str | Path) -> bool:
    """Whether `source` reads like ``owner/name``, and neither it nor a folder ``owner`` exists here."""
    text = isinstance(source, str) and re.fullmatch(r"[\w-][\w.-]*/[\w-][\w.-]*", source) is not None
    return text and not Path(source).exists() and not Path(source).parent.exists()


def fetch(repository: str, revision: str | None = None) -> Path:
    """Download a model's files, or find them in the cache, all of one revision.

    Parameters
    ----------
    repository : str
        ``owner/name``.
    revision : str, optional
        Branch, tag or commit; default the newest of the main branch.

    Returns
    -------
    Path
        The folder in the cache; its name is the commit.

    Raises
    ------
    UsageError
        If there is no such model or revision, access to it is not granted, or the hub cannot be reached.
    DataError
        If it has no `config.json` or no `model.safetensors`.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import (
        GatedRepoError,
        HFValidationError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    page = f"huggingface.co/{repository}"
    try:
        wanted = [CONFIG, WEIGHTS, CARD, LEDGER, OLD_LEDGER, TOKENIZER, SUMS]
        folder = Path(snapshot_download(repository, revision=revision, allow_patterns=wanted))
    except GatedRepoError as error:
        raise UsageError(
            f"Access to {repository} is not granted to you: ask for it at {page}, then run 'hf auth login' with "
            f"a token of that account."
        ) from error
    except RevisionNotFoundError as error:
        raise UsageError(f"{repository} has no revision '{revision}': see its history at {page}.") from error
    except (RepositoryNotFoundError, HFValidationError) as error:
        raise UsageError(
            f"There is no folder and no model {repository}, or it is private: check the name, or run 'hf auth login'."
        ) from error
    except LocalEntryNotFoundError as error:
        raise UsageError(
            f"There is no folder {repository}, and the hub, where a model may have that name, cannot be reached: "
            f"download its {CONFIG} and {WEIGHTS} elsewhere, then run 'biosig convert FOLDER --out DIR' here."
        ) from error
    except OSError as error:  # the base of huggingface_hub's errors of transport, too
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise UsageError(f"{repository} cannot be downloaded ({reason}): try again later.") from error
    missing = [name for name in (CONFIG, WEIGHTS) if not (folder / name).is_file()]
    if missing:
        raise DataError(f"{repository} has no {' and no '.join(missing)}: only models with both can be loaded.")
    return folder
