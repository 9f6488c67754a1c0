"""Serves the model on this machine and sends it one request. run_local.sh calls it; its --help explains it.

The server logs JSON lines, for CloudWatch. They are shown here as text: warnings and errors, with --keep all of them.
"""

import argparse
import json
import os
import random
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
PROGRESS_INTERVAL = 15  # seconds
ANSWER_TIMEOUT = 60  # seconds, as on a real-time endpoint
STOP_TIMEOUT = 30  # seconds from SIGTERM to SIGKILL, as in SageMaker
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # no proxy leads to this machine


class Failure(Exception):
    """The message says what went wrong and what to do."""


class Interrupted(BaseException):
    """A signal asks this program to end."""

    def __init__(self, number: int) -> None:
        self.number = number


class Server:
    """code/serve in a process of its own, with its log on stderr."""

    def __init__(self) -> None:
        self.verbose = False  # whether the log is shown from INFO up, instead of from WARNING up
        port = find_free_port()
        self.url = f"http://127.0.0.1:{port}"
        say(f"Starting code/serve on port {port}")
        settings = {"SM_MODEL_DIR": str(PROJECT / "model"), "SAGEMAKER_BIND_TO_PORT": str(port)}
        self.process = subprocess.Popen(
            [sys.executable, PROJECT / "code/serve"],
            env={**os.environ, "PYTHONUNBUFFERED": "1", **settings},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is for this program, which then stops the server
        )
        self.reader = threading.Thread(target=self.show_log, daemon=True)
        self.reader.start()

    def show_log(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            if text := to_text(line.decode(errors="replace").rstrip(), self.verbose):
                say(text)

    def stop(self) -> None:
        """Ends the server; a second signal meanwhile ends it at once. Returns when all of its log was shown."""
        with suppress(Interrupted, subprocess.TimeoutExpired):
            self.process.terminate()
            self.process.wait(STOP_TIMEOUT)
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        with suppress(OSError):  # no process is left
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.reader.join(5)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--wait", metavar="SECONDS", type=int, required=True)
    parser.add_argument("file", metavar="FILE", type=Path, nargs="?")
    parser.add_argument("content_type", metavar="CONTENT-TYPE", nargs="?", default="application/json")
    options = parser.parse_args()
    for number in SIGNALS:
        signal.signal(number, interrupt)
    server = Server()
    problem = ""
    try:
        status = run(server, options)
    except Failure as failure:
        status, problem = 1, str(failure)
    except Interrupted as interrupted:
        status = 128 + interrupted.number
    finally:
        server.stop()
    if problem:
        say(f"run_local.sh: {problem}")
    return status


def run(server: Server, options: argparse.Namespace) -> int:
    """Sends the request once the server is ready; the exit status."""
    status = 0
    wait_until_ready(server, options.wait)
    if options.file:
        say(f"Sending {options.file}")
        try:
            show_answer(*send(server, options.file, options.content_type))
        except Failure as failure:
            if not options.keep:
                raise
            status = 1
            say(f"run_local.sh: {failure}")
    if options.keep:
        try:
            keep(server, options)
        except Interrupted as interrupted:
            if interrupted.number != signal.SIGINT:
                raise
    return status


def wait_until_ready(server: Server, seconds: int) -> None:
    """Returns with the first good ping. Raises Failure if the server ends, or if `seconds` are over."""
    start = time.monotonic()
    progress = PROGRESS_INTERVAL
    while (status := server.process.poll()) is None:
        with suppress(OSError, HTTPException), DIRECT.open(f"{server.url}/ping", timeout=5):
            return
        waited = int(time.monotonic() - start)
        if waited >= seconds:
            longer = f"If your model takes longer to load, say so: test/run_local.sh --wait {2 * seconds}"
            raise Failure(f"The server did not answer /ping within {seconds} seconds. {longer}")
        if waited >= progress:
            progress += PROGRESS_INTERVAL
            say(f"The model is still loading after {waited} seconds; waiting up to {seconds}")
        time.sleep(0.1)
    how = f"was killed by {signal.Signals(-status).name}" if status < 0 else "ended"
    raise Failure(f"The server {how} before it was ready.")


def send(server: Server, file: Path, content_type: str) -> tuple[bytes, str]:
    """The answer to a request, and its media type. Raises Failure if it is an error, or if there is none."""
    request = urllib.request.Request(f"{server.url}/invocations", file.read_bytes(), {"Content-Type": content_type})
    try:
        with DIRECT.open(request, timeout=ANSWER_TIMEOUT) as response:
            return response.read(), response.headers.get_content_type()
    except urllib.error.HTTPError as error:
        if error.code == 500:
            raise Failure("The server answered 500. Its log says why.") from None
        message = error.read().decode(errors="replace").strip()
        with suppress(ValueError, TypeError, KeyError):
            message = json.loads(message)["error"]
        raise Failure(f"The server answered {error.code}: {message}") from None
    except TimeoutError:
        limit = "the limit of a real-time endpoint"
        raise Failure(f"The server did not answer within {ANSWER_TIMEOUT} seconds, {limit}.") from None
    except (OSError, HTTPException) as error:
        raise Failure(f"The server did not answer: {error}. Its log says why.") from None


def show_answer(answer: bytes, media_type: str) -> None:
    """Prints the answer, JSON on one line."""
    if media_type == "application/json":
        with suppress(ValueError):
            answer = json.dumps(json.loads(answer)).encode()
    sys.stdout.buffer.write(answer if answer.endswith(b"\n") else answer + b"\n")
    sys.stdout.flush()


def keep(server: Server, options: argparse.Namespace) -> None:
    """Keeps the server running. Raises Interrupted when it is to end, and Failure when it ends by itself."""
    content_type, data = options.content_type, '{"instances": [[1.0, 2.0]]}'
    if options.file:
        data = f"@{options.file.resolve()}"
    else:
        say("There is no test/sample_request.json, so nothing was sent. README.md, Requests, says what to put in it.")
    proxy = ["--noproxy", "127.0.0.1"] if urllib.request.getproxies() else []
    curl = ["curl", *proxy, "-H", f"Content-Type: {content_type}", "--data-binary", data, f"{server.url}/invocations"]
    server.verbose = True
    say(f"\nThe server runs at {server.url}; Ctrl-C stops it. Send it requests from another terminal:\n")
    say(f"  {shlex.join(curl)}\n\nIts log:")
    server.process.wait()
    raise Failure("The server ended.")


def to_text(line: str, verbose: bool) -> str:
    """A line of the log, with a traceback as Python prints it; nothing if it is not to be shown.

    Lines that are not the log's, such as what the handler prints, are shown as they are.
    """
    try:
        fields = json.loads(line)
        level, message = fields.pop("level"), fields.pop("message")
    except (ValueError, TypeError, AttributeError, KeyError):
        return line
    if level in ("TRACE", "DEBUG", "INFO") and not verbose:
        return ""
    fields.pop("time", None)
    traceback = fields.pop("exception", "")
    more = "".join(f" {name}={value}" for name, value in fields.items())
    return f"{level} {message}{more}" + (f"\n{traceback}" if traceback else "")


def find_free_port() -> int:
    """A port that nobody listens on, below those that Multi Model Server refuses."""
    while True:
        port = random.randint(10000, 32767)
        with socket.socket() as client:
            if client.connect_ex(("127.0.0.1", port)) != 0:
                return port


def interrupt(number: int, _: object) -> None:
    """Handles a signal."""
    raise Interrupted(number)


def say(text: str) -> None:
    """For people, as one write: lines of the log come from another thread."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
