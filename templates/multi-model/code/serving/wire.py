"""Messages between the web server and the models' processes: tuples of plain values, prefixed with their length.

They are encoded with marshal, which is fast and runs no code when read. Both ends use the same Python.
"""

import marshal
import struct
from collections.abc import Iterator
from typing import Any, BinaryIO

LENGTH = struct.Struct("!I")

# From the web server to a model's process, followed by:
INVOKE = 0  # number, body, content type, accept, inference id, custom attributes
NEXT = 1  # number; requests the next piece of a stream
CLOSE = 2  # number; closes a stream
# From a model's process to the web server, followed by:
STARTED = 3  # process id
LOADED = 4  # private memory in bytes, names of the imported modules
FAILED = 5  # whether memory or another resource ran out
RESPONSE = 6  # number, status, body (None: a stream begins), media type, headers
PIECE = 7  # number, piece (None: end of the stream)
BROKEN = 8  # number; the stream failed

Message = tuple[Any, ...]


def pack(*message: Any) -> bytes:
    """Encode a message."""
    content = marshal.dumps(message)
    return LENGTH.pack(len(content)) + content


def receive(stream: BinaryIO) -> Message | None:
    """Read the next message from a blocking stream; None at its end."""
    head = stream.read(LENGTH.size)
    if len(head) < LENGTH.size:
        return None
    content = stream.read(*LENGTH.unpack(head))
    return marshal.loads(content) if len(content) == LENGTH.unpack(head)[0] else None


class Unpacker:
    """Decodes messages from data that arrives in pieces."""

    def __init__(self) -> None:
        self.buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[Message]:
        """Yield the messages that are now complete."""
        self.buffer += data
        while len(self.buffer) >= LENGTH.size:
            end = LENGTH.size + LENGTH.unpack_from(self.buffer)[0]
            if len(self.buffer) < end:
                return
            message = marshal.loads(memoryview(self.buffer)[LENGTH.size : end])
            del self.buffer[:end]
            yield message
