"""A log asked in SQL, by DuckDB: it reads the log, and then can reach nothing any more."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.folder.log import NAME
from weight_mapping.errors import PortingError

_TABLE = """
CREATE TABLE log AS SELECT * FROM read_json(
    $path, format = 'newline_delimited', ignore_errors = true, sample_size = -1, maximum_object_size = 16777216
) WHERE path IS NOT NULL"""
# A line that is none comes as a row of nothing.
_VIEW = """
CREATE VIEW files AS SELECT * FROM log
QUALIFY row_number() OVER (PARTITION BY path ORDER BY rowid DESC) = 1"""
_LOCKS = (
    "SET enable_external_access = false",
    "SET autoinstall_known_extensions = false",
    "SET autoload_known_extensions = false",
    "SET lock_configuration = true",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The rows of a query. `unread`: how many whole lines of the log are none; a torn last one does not count."""

    columns: list[str]
    rows: list[tuple[Any, ...]]
    unread: int


def ask(query: str, folder: Path) -> Answer:
    """The answer of one SQL statement over the log of `folder`. PortingError for what DuckDB says is wrong with it."""
    try:
        import duckdb
    except ModuleNotFoundError as missing:
        raise PortingError(
            f"results needs {missing.name}", way_out="Install it: pip install 'lstm-parity[results]'."
        ) from None
    path = folder / NAME
    if not path.is_file():
        raise PortingError("there is no log", where=str(path), way_out="Name the output folder of a ported folder.")
    with duckdb.connect(":memory:") as database:
        try:
            database.execute(_TABLE, {"path": str(path)})
            database.execute(_VIEW)
            for lock in _LOCKS:
                database.execute(lock)
            (read,) = database.execute("SELECT count(*) FROM log").fetchone() or (0,)
            told = database.execute(query)
            columns = [column[0] for column in told.description or ()]
            rows = told.fetchall() if columns else []
        except duckdb.Error as error:
            raise PortingError("the query can't be answered", found=str(error).strip()) from error
    with path.open("rb") as lines:
        whole = sum(line.endswith(b"\n") for line in lines)
    return Answer(columns=columns, rows=rows, unread=max(whole - read, 0))
