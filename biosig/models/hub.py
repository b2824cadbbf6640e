"""Models on the Hugging Face hub, fetched into its cache; an obstacle is an error of one sentence."""

from __future__ import annotations

import re
from pathlib import Path

from biosig.errors import DataError, UsageError
from biosig.file_sums import SUMS
from biosig.models.checkpoint import CARD, CONFIG, LEDGER, OLD_LEDGER, TOKENIZER, WEIGHTS

_REPOSITORY = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*(/[\w-][\w.-]*\.(pth|pt|bin|ckpt|safetensors))?")


def is_repository(source: str | Path) -> bool:
    """True if `source` reads like ``owner/name`` or ``owner/name/file``, and no folder ``owner`` exists here."""
    text = isinstance(source, str) and _REPOSITORY.fullmatch(source) is not None
    return text and not Path(source).exists() and not Path(Path(source).parts[0]).exists()


def public_files(repository: str) -> list[str]:
    """The files in which the makers of a public encoder (`biosig.models.zoo`) publish its weights in a repository."""
    from biosig.models.zoo import ENCODERS  # which few sessions need

    page = rf"huggingface\.co/{re.escape(repository)}(?![\w/-])"
    matching = (family for family in ENCODERS.values() if re.search(page, family.about.where))
    return [file for family in matching for file in family.published() if file in family.about.where]


def fetch(source: str, revision: str | None = None) -> Path:
    """Download a model's files, or find them in the cache, all of one revision.

    Parameters
    ----------
    source : str
        ``owner/name``, or ``owner/name/file`` where a repository holds several files of weights.
    revision : str, optional
        Branch, tag or commit; default the newest of the main branch.

    Returns
    -------
    Path
        The folder in the cache, whose name is the commit; of a public encoder the file of weights in it.

    Raises
    ------
    UsageError
        If there is no such model or revision, access to it is not granted, the hub cannot be reached, or there are
        several files of weights and none is chosen.
    DataError
        If it has no `config.json` or no `model.safetensors`, or not the file of weights.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import (
        GatedRepoError,
        HFValidationError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    owner, name, *files = source.split("/")
    repository = f"{owner}/{name}"
    page = f"huggingface.co/{repository}"
    files = files or public_files(repository)
    if len(files) > 1:
        raise UsageError(
            f"{repository} holds {len(files)} files of weights: give {' or '.join(f'{repository}/{f}' for f in files)}."
        )
    try:
        wanted = files or [CONFIG, WEIGHTS, CARD, LEDGER, OLD_LEDGER, TOKENIZER, SUMS]
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
            f"download its {' and '.join(files or (CONFIG, WEIGHTS))} elsewhere, then run 'biosig convert "
            f"{'FILE' if files else 'FOLDER'} --out DIR' here."
        ) from error
    except OSError as error:  # the base of huggingface_hub's errors of transport, too
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise UsageError(f"{repository} cannot be downloaded ({reason}): try again later.") from error
    missing = [file for file in (files or (CONFIG, WEIGHTS)) if not (folder / file).is_file()]
    if missing:
        needed = f"see what is there at {page}" if files else "only models with both can be loaded"
        raise DataError(f"{repository} has no {' and no '.join(missing)}: {needed}.")
    return folder / files[0] if files else folder
