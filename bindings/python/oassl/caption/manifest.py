"""The pictures to caption: a manifest in the form of include/oassl/data.h, read as far as captions need it."""

import json
from dataclasses import dataclass
from pathlib import Path

from .prompt import spell


class ManifestError(Exception):
    """Names the file, the line and the field."""


@dataclass(frozen=True)
class Picture:
    id: str
    path: Path
    labels: tuple  # one a sound, in the manifest's order


def _labels(record):
    """Labels of what sounds: of "sources", or "labels", or "label"; () when nothing is said to sound."""
    if record.get("playing") is False:
        return ()
    sources = record.get("sources")
    if sources is not None:
        if not isinstance(sources, list) or not all(isinstance(source, dict) for source in sources):
            raise ValueError("field 'sources': expected a list of objects")
        labels, field = [source.get("label", record.get("label")) for source in sources], "sources"
    elif record.get("labels") is not None:
        labels, field = record["labels"], "labels"
        if not isinstance(labels, list):
            raise ValueError("field 'labels': expected a list of strings")
    else:
        labels, field = [record["label"]] if record.get("label") is not None else [], "label"
    for label in labels:
        if not isinstance(label, str) or not spell(label):
            raise ValueError(f"field '{field}': expected a label that is not empty, found {json.dumps(label)[:60]}")
    return tuple(labels)


def _text(record, key):
    value = record.get(key)
    if value is not None and not (isinstance(value, str) and value):
        raise ValueError(f"field '{key}': expected a string that is not empty, found {json.dumps(value)[:60]}")
    return value


def _parse(line, folder, split):
    """(id, Picture or None, why there is none); (None, None, None) for a record of another split."""
    record = json.loads(line)
    if not isinstance(record, dict):
        raise ValueError("expected a JSON object")
    if split and record.get("split", "") != split:
        return None, None, None
    image = _text(record, "image")
    id = _text(record, "id") or image or _text(record, "audio")
    if id is None:
        raise ValueError("field 'id': missing, expected a name (or an 'image' to name the record by)")
    if "mix" in record:
        return id, None, "a mixture: its parts' captions are combined"
    if image is None:
        return id, None, "no picture"
    labels = _labels(record)
    if not labels:
        return id, None, "no label says what sounds"
    return id, Picture(id, folder / image, labels), None


def read_manifest(path, split=None):
    """(pictures, skipped): `skipped` maps the reason to the ids of records that have nothing to caption."""
    path = Path(path)
    pictures, skipped, seen = [], {}, {}
    with open(path, "rb") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                id, picture, reason = _parse(line.decode("utf-8-sig" if number == 1 else "utf-8"), path.parent, split)
                if id is None:
                    continue
                id.encode("utf-8")  # "\ud800" is valid JSON but no text
                if id in seen:
                    raise ValueError(f"id '{id}' was already on line {seen[id]}")
            except (ValueError, RecursionError) as error:
                raise ManifestError(f"{path}:{number}: {error}") from None
            seen[id] = number
            if picture:
                pictures.append(picture)
            else:
                skipped.setdefault(reason, []).append(id)
    return pictures, skipped
