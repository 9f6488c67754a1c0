"""Messages between the web server and the processes of the models: tuples of plain values, with their length before.

They are written by marshal: it is quick, and reading it runs nothing. Both ends are the same Python.
"""

import marshal
import struct
from collections.abc import Iterator
from typing import Any, BinaryIO

LENGTH = struct.Struct("!I")

# What the web server says first of a message to a model's process:
INVOKE = 0  # number, body, content type, accept, inference id, custom attributes
NEXT = 1  # number: the next piece of a stream, please
CLOSE = 2  # number: no more of it
# And a model's process to the web server:
STARTED = 3  # process id
LOADED = 4  # bytes that it holds, names of the modules that were imported for it
FAILED = 5  # whether it was for lack of memory, or of another resource
ANSWER = 6  # number, status, body (None: a stream begins), media type, headers
PIECE = 7  # number, piece (None: the stream is at its end)
BROKEN = 8  # number: the stream ends in an error

Message = tuple[Any, ...]


def pack(*message: Any) -> bytes:
    """A message as it is sent."""
    content = marshal.dumps(message)
    return LENGTH.pack(len(content)) + content


def receive(stream: BinaryIO) -> Message | None:
    """The next message of a stream that blocks; None at its end."""
    head = stream.read(LENGTH.size)
    if len(head) < LENGTH.size:
        return None
    content = stream.read(*LENGTH.unpack(head))
    return marshal.loads(content) if len(content) == LENGTH.unpack(head)[0] else None


class Unpacker:
    """Finds the messages in what arrives piece by piece."""

    def __init__(self) -> None:
        self.buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[Message]:
        """The messages that are whole by now."""
        self.buffer += data
        while len(self.buffer) >= LENGTH.size:
            end = LENGTH.size + LENGTH.unpack_from(self.buffer)[0]
            if len(self.buffer) < end:
                return
            message = marshal.loads(memoryview(self.buffer)[LENGTH.size : end])
            del self.buffer[:end]
            yield message
