"""The configurations of the terms, one a file. They import no torch."""
