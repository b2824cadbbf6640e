"""Make the tokenizer that ships with the package from the reports in a table.

    python -m tools.make_tokenizer ptbxl_database.csv --query "ecg_id <= 500 and strat_fold <= 8"

It is a demonstration: 352 short reports (171 different ones, German, English and Swedish; PTB-XL 1.0.3, CC BY 4.0)
teach a vocabulary for machine reports of that kind and for no other text, though every text can be written in it. For
your own reports run this on your own table, and give the file to `biosig.models.text.Tokenizer.load`.

Byte-pair encoding over bytes (Sennrich 2016, arXiv:1508.07909; Radford 2019, section 2.2), in lower case: what is no
known word falls apart into shorter ones and in the end into bytes, so no text holds an unknown word. The same table
gives the same file, byte for byte.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from biosig.models.text import SHIPPED, clean_report

N_WORDS = 4096
"""Largest vocabulary; a small table gives fewer words."""


def read_reports(path: Path, column: str = "report", query: str | None = None) -> list[str]:
    """The cleaned reports of a table, in its order, without the empty ones.

    Parameters
    ----------
    path : Path
        A CSV file.
    column : str
        Table with the reports.
    query : str, optional
        Rows to take: a pandas expression over the columns.
    """
    table = pd.read_csv(path)
    rows = table.query(query) if query else table
    return [cleaned for cleaned in map(clean_report, rows[column].dropna()) if cleaned]


def train(reports: list[str], n_words: int = N_WORDS) -> Tokenizer:
    """A vocabulary of the 256 bytes and of the pairs that occur at least twice in the reports, up to `n_words`."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=n_words,
        min_frequency=2,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(reports, trainer)
    return tokenizer


def main() -> None:
    """Train and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("reports", type=Path, metavar="REPORTS.csv")
    parser.add_argument("--column", default="report")
    parser.add_argument("--query", help="which rows: a pandas expression over the columns")
    parser.add_argument("--n-words", type=int, default=N_WORDS)
    parser.add_argument("--out", type=Path, default=SHIPPED)
    args = parser.parse_args()
    train(read_reports(args.reports, args.column, args.query), args.n_words).save(str(args.out))


if __name__ == "__main__":
    main()
