"""The caption file while it is written: whole lines only, on the disk before they count, and resumed after a kill."""

import fcntl
import json
import os
import sys
from typing import NamedTuple


BEGINNING = b'{"id": "'  # of every line this program writes


class OutputError(Exception):
    pass


class Made(NamedTuple):
    """What is kept in memory of a caption in the file; None where it says nothing."""

    labels: tuple
    prompt_hash: str
    model: str
    revision: str


def _shared(value):
    """Equal texts of many lines once in memory."""
    if isinstance(value, str):
        return sys.intern(value)
    return tuple(map(_shared, value)) if isinstance(value, list) else None


def encode_line(record):
    return (json.dumps(record, ensure_ascii=False) + "\n").encode("utf-8")


class Output:
    """Opens or resumes `path`.  `done` maps the ids in it to what Made keeps of them; `repaired` says what was cut off."""

    def __init__(self, path):
        self.path = str(path)
        self.done = {}
        self.repaired = ""
        self.fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
        try:
            try:
                fcntl.flock(self.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise OutputError(f"{self.path}: another captioner is writing it") from None
            self._resume()
            _sync_folder(self.path)
        except BaseException:
            os.close(self.fd)
            raise

    def _resume(self):
        self.done, self.size, torn = scan(self.path)
        if torn:
            os.ftruncate(self.fd, self.size)
            os.fsync(self.fd)
            self.repaired = f"the last line was torn: {torn} bytes taken off"
        elif self.size and os.pread(self.fd, 1, self.size - 1) != b"\n":
            self.append([b"\n"])
            self.repaired = "the end of the last line was missing"

    def append(self, lines):
        """Writes the lines and returns once they are on the disk; a failure leaves the file as it was."""
        data = b"".join(lines)
        try:
            written = 0
            while written < len(data):
                written += os.write(self.fd, data[written:])
            os.fsync(self.fd)
        except OSError as error:
            try:
                os.ftruncate(self.fd, self.size)
            except OSError:
                pass  # the next run takes the torn line off
            raise OutputError(f"{self.path}: {error.strerror}") from None
        self.size += len(data)

    def close(self):
        os.close(self.fd)


def scan(path):
    """(Made by id, bytes of whole lines, bytes of a last line that a kill tore) of a caption file."""
    done, size = {}, 0
    with open(path, "rb") as file:
        for number, line in enumerate(file, 1):
            record = _parse(line)
            if record is None:
                ours = line.startswith(BEGINNING) or BEGINNING.startswith(line) or not line.strip(b"\0")
                if line.endswith(b"\n") or not ours:
                    raise OutputError(f"{path}:{number}: expected a caption with an id, found {line[:60]!r}; "
                                      "give another --out, or mend the file")
                return done, size, len(line)
            size += len(line)
            if record:
                done[record["id"]] = Made(*(_shared(record.get(key)) for key in Made._fields))
    return done, size, 0


def _parse(line):
    """The record of a line, {} of an empty one, None if it is none."""
    if not line.strip():
        return {}
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(record, dict) or not isinstance(record.get("id", record.get("file")), str):
        return None
    record.setdefault("id", record.get("file"))
    return record


def _sync_folder(path):
    folder = os.open(os.path.dirname(os.path.abspath(path)), os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def write_atomically(path, text):
    """The whole file or the old one."""
    temporary = f"{path}.tmp-{os.getpid()}"
    try:
        with open(temporary, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        _sync_folder(path)
    except BaseException:
        if os.path.exists(temporary):
            os.unlink(temporary)
        raise
