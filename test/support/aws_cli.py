"""The AWS CLI, started once: aws_cli.py FOLDER

The deployment tests call it thousands of times, and a call is mostly its start: a second of CPU time. Here a process
that has it loaded is forked for each call. FOLDER gets a program `aws`, which hands its arguments, environment, folder
and open files over to that process; it ends as the call ends, and the call with it.
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
line = socket.socket(socket.AF_UNIX)
try:
    line.connect({address!r})
except OSError:  # that process is gone: then the CLI itself
    os.execv({cli!r}, ["aws", *sys.argv[1:]])
told = json.dumps([sys.argv[1:], dict(os.environ), os.getcwd()]).encode()
socket.send_fds(line, [struct.pack("!I", len(told))], [0, 1, 2])
line.sendall(told)
status = line.recv(1)
sys.exit(status[0] if status else 255)
"""
SERVICES = "sagemaker s3 s3api ecr iam sts logs cloudwatch application-autoscaling sagemaker-runtime cloudformation"


def serve(listener: socket.socket, driver: Any) -> NoReturn:
    """Forks for each call."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        line, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            call(line, driver)
        line.close()


def call(line: socket.socket, driver: Any) -> NoReturn:
    """One call of the CLI, in a process of its own."""
    head, files, _, _ = socket.recv_fds(line, 4, 3)
    told = b""
    while len(told) < struct.unpack("!I", head)[0]:
        told += line.recv(2**16)
    arguments, environ, folder = json.loads(told)
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    os.environ.clear()
    os.environ.update(environ)
    os.chdir(folder)
    threading.Thread(target=end_with, args=(line,), daemon=True).start()
    status = 255
    try:
        status = driver.main(arguments)
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        line.sendall(bytes([status or 0]))
        os._exit(0)


def end_with(line: socket.socket) -> None:
    """Ends the call when its client has ended, as by Ctrl-C."""
    line.recv(1)
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
        os.write(1, b"ready")  # all at once: who reads it closes the pipe
        serve(listener, driver)
