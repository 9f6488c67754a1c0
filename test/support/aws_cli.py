"""Preload the AWS CLI and fork it for each call: aws_cli.py FOLDER

The deployment tests call the CLI thousands of times, and most of a call is its startup: a second of CPU time. This
process loads the CLI once and forks for each call. It writes a program `aws` to FOLDER, which passes its arguments,
environment, working directory and open files to the fork and exits with its status. If `aws` ends, so does the fork.
"""

import json
import os
import shutil
import signal
import socket
import struct
import sys
import threading
from pathlib import Path
from typing import Any, NoReturn

from awscli.clidriver import create_clidriver

CLIENT = """#!{python} -IS
import json, os, socket, struct, sys
connection = socket.socket(socket.AF_UNIX)
try:
    connection.connect({address!r})
except OSError:  # that process has ended: run the CLI itself
    os.execv({cli!r}, ["aws", *sys.argv[1:]])
call = json.dumps([sys.argv[1:], dict(os.environ), os.getcwd()]).encode()
socket.send_fds(connection, [struct.pack("!I", len(call))], [0, 1, 2])
connection.sendall(call)
status = connection.recv(1)
sys.exit(status[0] if status else 255)
"""
SERVICES = "sagemaker s3 s3api ecr iam sts logs cloudwatch application-autoscaling sagemaker-runtime cloudformation"


def serve(listener: socket.socket, driver: Any) -> NoReturn:
    """Fork for each call."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        connection, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            call(connection, driver)
        connection.close()


def call(connection: socket.socket, driver: Any) -> NoReturn:
    """Run one call of the CLI in the forked process."""
    head, files, _, _ = socket.recv_fds(connection, 4, 3)
    message = b""
    while len(message) < struct.unpack("!I", head)[0]:
        message += connection.recv(2**16)
    arguments, environ, folder = json.loads(message)
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    os.environ.clear()
    os.environ.update(environ)
    os.chdir(folder)
    threading.Thread(target=end_with, args=(connection,), daemon=True).start()
    status = 255
    try:
        status = driver.main(arguments)
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        connection.sendall(bytes([status or 0]))
        os._exit(0)


def end_with(connection: socket.socket) -> None:
    """End the call when its client ends, for example by Ctrl-C."""
    connection.recv(1)
    os._exit(1)


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    address = str(folder / "socket")
    driver = create_clidriver()
    for service in SERVICES.split():
        if service != "s3":
            driver.session.get_service_model(service.replace("s3api", "s3"))
    program = folder / "aws"
    program.write_text(CLIENT.format(python=sys.executable, address=address, cli=shutil.which("aws")))
    program.chmod(0o755)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen(64)
        os.write(1, b"ready")  # in one write: the reader closes the pipe
        serve(listener, driver)
