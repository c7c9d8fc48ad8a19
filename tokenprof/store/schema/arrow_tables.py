"""Arrow schemas of the tables, and tables made from rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import pyarrow as pa

from tokenprof.store.schema.columns import ALL_TABLES, SCHEMA_VERSION, Columns, StoredTable

_TYPES: Final[Mapping[str, Any]] = {
    "int64": pa.int64(),
    "int32": pa.int32(),
    "bool": pa.bool_(),
    "double": pa.float64(),
    "string": pa.string(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us", tz="UTC"),
    "tags": pa.map_(pa.string(), pa.string()),
    "strings": pa.list_(pa.string()),
    "files": pa.list_(
        pa.struct(
            [
                ("file", pa.string()),
                ("device", pa.int64()),
                ("inode", pa.int64()),
                ("bytes", pa.int64()),
                ("changed_ns", pa.int64()),
                ("head", pa.string()),
                ("tail", pa.string()),
            ]
        )
    ),
}


def schema_of(table: StoredTable) -> pa.Schema:
    """Return the Arrow schema of a table, with the version of the store's schema in its metadata."""
    fields = [pa.field(column.name, _TYPES[column.type], column.nullable) for column in table.columns]
    return pa.schema(fields, {"tokenprof.schema": str(SCHEMA_VERSION), "tokenprof.table": table.name})


SCHEMAS: Final[Mapping[str, pa.Schema]] = {table.name: schema_of(table) for table in ALL_TABLES}


def table_of(name: str, columns: Columns) -> pa.Table:
    """Return a table of the store from its columns, all of which must be there."""
    schema = SCHEMAS[name]
    return pa.table([_array(columns[field.name], field.type) for field in schema], schema=schema)


def _array(values: Any, kind: pa.DataType) -> pa.Array:
    try:
        return pa.array(values, kind)
    except UnicodeEncodeError:
        # The name of a file need not be UTF-8: a question mark stands for each byte that is not.
        return pa.array(_encodable(values), kind)


def _encodable(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, Mapping):
        return {key: _encodable(item) for key, item in value.items()}
    return [_encodable(item) for item in value] if isinstance(value, list | tuple) else value


def empty_table(name: str) -> pa.Table:
    """Return a table of the store without rows."""
    return SCHEMAS[name].empty_table()
