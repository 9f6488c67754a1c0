"""Serves the model on this machine and sends it one request. Called by run_local.sh; see its --help.

The server logs JSON lines for CloudWatch. They are shown here as text: warnings and errors, or all with --keep.
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
RESPONSE_TIMEOUT = 60  # seconds, as on a real-time endpoint
STOP_TIMEOUT = 30  # seconds from SIGTERM to SIGKILL, as in SageMaker
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # without a proxy


class Failure(Exception):
    """The message says what went wrong and what to do."""


class Interrupted(BaseException):
    """This program received a signal to exit."""

    def __init__(self, number: int) -> None:
        self.number = number


class Server:
    """A process that runs code/serve, with its log on stderr."""

    def __init__(self) -> None:
        self.verbose = False  # show the log at INFO and above instead of WARNING and above
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
            start_new_session=True,  # Ctrl-C reaches only this program, which then stops the server
        )
        self.reader = threading.Thread(target=self.show_log, daemon=True)
        self.reader.start()

    def show_log(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            if text := to_text(line.decode(errors="replace").rstrip(), self.verbose):
                say(text)

    def stop(self) -> None:
        """Stop the server and show the rest of its log. A second signal meanwhile kills the server immediately."""
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
    """Send the request once the server is ready. Returns the exit status."""
    status = 0
    wait_until_ready(server, options.wait)
    if options.file:
        say(f"Sending {options.file}")
        try:
            show_response(*send(server, options.file, options.content_type))
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
    """Wait until /ping returns 200. Raises Failure if the server exits or `seconds` have passed."""
    start = time.monotonic()
    progress = PROGRESS_INTERVAL
    while (status := server.process.poll()) is None:
        with suppress(OSError, HTTPException), DIRECT.open(f"{server.url}/ping", timeout=5):
            return
        waited = int(time.monotonic() - start)
        if waited >= seconds:
            longer = f"If your model takes longer to load: test/run_local.sh --wait {2 * seconds}"
            raise Failure(f"The server was not ready within {seconds} seconds. {longer}")
        if waited >= progress:
            progress += PROGRESS_INTERVAL
            say(f"The model is still loading after {waited} seconds; waiting up to {seconds}")
        time.sleep(0.1)
    how = f"was killed by {signal.Signals(-status).name}" if status < 0 else "exited"
    raise Failure(f"The server {how} before it was ready.")


def send(server: Server, file: Path, content_type: str) -> tuple[bytes, str]:
    """Send a request and return the response and its media type. Raises Failure for an error or no response."""
    request = urllib.request.Request(f"{server.url}/invocations", file.read_bytes(), {"Content-Type": content_type})
    try:
        with DIRECT.open(request, timeout=RESPONSE_TIMEOUT) as response:
            return response.read(), response.headers.get_content_type()
    except urllib.error.HTTPError as error:
        if error.code == 500:
            raise Failure("The server returned 500. Details are in its log above.") from None
        message = error.read().decode(errors="replace").strip()
        with suppress(ValueError, TypeError, KeyError):
            message = json.loads(message)["error"]
        raise Failure(f"The server returned {error.code}: {message}") from None
    except TimeoutError:
        limit = "the limit of a real-time endpoint"
        raise Failure(f"The server did not respond within {RESPONSE_TIMEOUT} seconds, {limit}.") from None
    except (OSError, HTTPException) as error:
        raise Failure(f"The server did not respond: {error}. Details are in its log above.") from None


def show_response(response: bytes, media_type: str) -> None:
    """Print the response, with JSON on one line."""
    if media_type == "application/json":
        with suppress(ValueError):
            response = json.dumps(json.loads(response)).encode()
    sys.stdout.buffer.write(response if response.endswith(b"\n") else response + b"\n")
    sys.stdout.flush()


def keep(server: Server, options: argparse.Namespace) -> None:
    """Keep the server running. Raises Interrupted on a signal, and Failure if the server exits."""
    content_type, data = options.content_type, '{"instances": [[1.0, 2.0]]}'
    if options.file:
        data = f"@{options.file.resolve()}"
    else:
        say("There is no test/sample_request.json, so nothing was sent. See Requests in README.md.")
    proxy = ["--noproxy", "127.0.0.1"] if urllib.request.getproxies() else []
    curl = ["curl", *proxy, "-H", f"Content-Type: {content_type}", "--data-binary", data, f"{server.url}/invocations"]
    server.verbose = True
    say(f"\nThe server is running at {server.url}; press Ctrl-C to stop it. Send requests from another terminal:\n")
    say(f"  {shlex.join(curl)}\n\nIts log:")
    server.process.wait()
    raise Failure("The server exited.")


def to_text(line: str, verbose: bool) -> str:
    """Format a log line, with the traceback as Python prints it. Returns "" for a line below the level to show.

    Other lines, such as what the handler prints, are returned unchanged.
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
    """Return an unused port, below those that Multi Model Server rejects."""
    while True:
        port = random.randint(10000, 32767)
        with socket.socket() as client:
            if client.connect_ex(("127.0.0.1", port)) != 0:
                return port


def interrupt(number: int, _: object) -> None:
    """Signal handler."""
    raise Interrupted(number)


def say(text: str) -> None:
    """Print to stderr in one write, because another thread prints the log."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
