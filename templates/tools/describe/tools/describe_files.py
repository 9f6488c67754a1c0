"""Files written all or none, and messages about what takes long."""

from __future__ import annotations  # for Python 3.8

import contextlib
import os
import sys
import threading
import time
from typing import TYPE_CHECKING

from describe_rows import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path


@contextlib.contextmanager
def progress(doing: str) -> Iterator[None]:
    """Says on stderr what takes more than a second, and again every 10 seconds."""
    done, started = threading.Event(), time.monotonic()

    def report() -> None:
        wait = 1
        while not done.wait(wait):
            print(f"{doing} ... {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)
            wait = 10

    thread = threading.Thread(target=report, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def write(files: Mapping[Path, str | bytes | None]) -> None:
    """Writes all files, or none if that fails. Those without a text are removed: they would be of another model."""
    parts = {path: path.with_name(f"{path.name}.part") for path, text in files.items() if text is not None}
    try:
        for path, part in parts.items():
            path.parent.mkdir(exist_ok=True)
            content = files[path] or ""
            part.write_bytes(content if isinstance(content, bytes) else content.encode())
        for path in files:
            if path in parts:
                os.replace(parts[path], path)
            elif path.exists():
                path.unlink()
    except OSError as error:
        raise Problem(f"the files cannot be written: {error}") from None
    finally:
        for part in parts.values():
            if part.exists():
                part.unlink()
