"""Arrow, which stores tables in the Parquet format."""

from __future__ import annotations

__all__ = ["prepare_arrow"]


def prepare_arrow() -> None:
    """Import what pyarrow will import of its own accord; call it before a table is made or read.

    It imports pandas in C for its first table and drops whatever is raised meanwhile: a signal would be lost. Nor is
    it given threads for these small files: a program that ends while they start is aborted ("terminate called").
    """
    import pandas  # noqa: F401
