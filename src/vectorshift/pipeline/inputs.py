"""The inputs of a run: values as JSON, and files in a form. A file inside a value is JSON, too."""

from __future__ import annotations

import base64
import json
import mimetypes
from collections.abc import Collection, Mapping, Sequence, Set
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from vectorshift.client.uploads import Reader, name_of

if TYPE_CHECKING:
    from vectorshift.client.uploads import File, Loaded

__all__ = ["Body", "bulk_body", "checked_runs", "holds_files", "run_body"]


class Body(NamedTuple):
    """The body of a call: JSON, or a form with files."""

    json: Any = None
    form: dict[str, str] | None = None
    files: Loaded | None = None


def run_body(inputs: Mapping[str, Any] | None, fields: Mapping[str, Any]) -> Body:
    """Return the body that runs a pipeline. Reads the files, so that it can be sent again.

    Args:
        inputs: values by the names of input nodes, or None.
        fields: the other fields of the body; those that are None are omitted.

    Raises:
        TypeError: `inputs` is not a mapping.
        VectorshiftError: a file cannot be read.
    """
    reader = Reader()
    values, files = _parted(_checked(inputs), "inputs.", reader)
    return _body({"inputs": values, **fields}, files, reader)


def bulk_body(inputs: Sequence[Mapping[str, Any]]) -> Body:
    """Return the body that runs a pipeline once for each of `inputs`. Reads files and raises as
    `run_body`.
    """
    runs: list[Any] = []
    files: dict[str, File] = {}
    reader = Reader()
    for number, each in enumerate(inputs):
        values, parts = _parted(_checked(each), f"runs.{number}.inputs.", reader)
        runs.append({"inputs": values})
        files.update(parts)
    return _body({"runs": runs}, files, reader)


def checked_runs(inputs: object) -> list[Mapping[str, Any]]:
    """Return the inputs of several runs as a list.

    Raises:
        TypeError: they are not a list or a similar collection.
    """
    kind = type(inputs).__name__
    no_list = isinstance(inputs, Mapping | Set | str | bytes | bytearray | memoryview)
    if no_list or not isinstance(inputs, Collection):
        raise TypeError(f"bulk_run takes a list of dicts, one for each run, not {kind}.")
    return list(cast("Collection[Mapping[str, Any]]", inputs))


def holds_files(value: object) -> bool:
    """Return whether a value is a file or contains one."""
    if _is_file(value):
        return True
    if isinstance(value, Mapping):
        return any(map(holds_files, cast("Mapping[Any, object]", value).values()))
    return isinstance(value, list | tuple) and any(
        map(holds_files, cast("Sequence[object]", value))
    )


def _checked(inputs: object) -> Mapping[str, Any]:
    if inputs is None:
        return {}
    if not isinstance(inputs, Mapping):
        raise TypeError(
            "inputs should be a dict that maps the names of input nodes to values, not "
            f"{type(inputs).__name__}."
        )
    return cast("Mapping[str, Any]", inputs)


def _parted(
    inputs: Mapping[str, Any], prefix: str, reader: Reader
) -> tuple[dict[str, Any], dict[str, File]]:
    """Return values and files apart. The form's parts have the names of the API's reference."""
    values: dict[str, Any] = {}
    files: dict[str, File] = {}
    for name, value in inputs.items():
        if _is_file(value):
            files[f"{prefix}{name}"] = _named(name, value)
        else:
            values[name] = _plain(name, value, reader)
    return values, files


def _body(fields: Mapping[str, Any], files: dict[str, File], reader: Reader) -> Body:
    given = {name: value for name, value in fields.items() if value is not None}
    if not files:
        return Body(json=given)
    form = {
        name: value if isinstance(value, str) else json.dumps(value)
        for name, value in given.items()
    }
    return Body(form=form, files=reader.load(files))


def _is_file(value: object) -> bool:
    if isinstance(value, tuple):
        parts = cast("tuple[object, ...]", value)
        return len(parts) in (2, 3) and isinstance(parts[0], str) and _is_content(parts[1])
    return _is_content(value)


def _is_content(value: object) -> bool:
    return isinstance(value, Path | bytes | bytearray | memoryview) or callable(
        getattr(value, "read", None)
    )


def _named(name: str, value: Any) -> File:
    """Return a file with a name: its own, else that of the input. The part's name will not do:
    `inputs.doc` would be a Word document.
    """
    if isinstance(value, Path | tuple) or name_of(value):
        return cast("File", value)
    return (name, value)


def _plain(name: str, value: Any, reader: Reader) -> Any:
    """Return a value for JSON. A file becomes the object that the API's reference describes."""
    if isinstance(value, Mapping):
        return {
            key: _plain(name, each, reader)
            for key, each in cast("Mapping[str, Any]", value).items()
        }
    if _is_file(value):
        ((_, (filename, content, *media_type)),) = reader.load([(name, _named(name, value))])
        guessed = mimetypes.guess_type(filename)[0] or "application/octet-stream"
        kind = media_type[0] if media_type else guessed
        raw = base64.b64encode(content).decode("ascii")
        return {"type": "file", "raw_bytes": raw, "metadata": {"name": filename, "mime_type": kind}}
    if isinstance(value, list | tuple):
        return [_plain(name, each, reader) for each in cast("Sequence[Any]", value)]
    return value
