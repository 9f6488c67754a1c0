"""Types lines into an interactive shell on a terminal of its own and presses Tab: press_tab.py SHELL SCRIPT LINE...

Prints what the shell makes of each line, one a line.
"""

import os
import pty
import re
import select
import sys
import time

shell, script, *lines = sys.argv[1:]
PLAIN = {
    "bash": (
        ["bash", "--norc", "--noprofile", "-i"],
        "bind 'set bell-style none' 'set enable-bracketed-paste off'; ",
    ),
    "zsh": (
        ["zsh", "-f", "-i"],
        "bindkey -e; autoload -Uz compinit; compinit -u -D; unsetopt prompt_sp auto_remove_slash; ",
    ),
}
command, prepare = PLAIN[shell]
pid, terminal = pty.fork()
if pid == 0:
    os.execvpe(command[0], command, {**os.environ, "TERM": "dumb", "PS1": "", "COLUMNS": "500"})


def read_until(end: str, seconds: float = 10) -> str:
    """What the shell prints up to the text `end`, which has to come."""
    got, stop = "", time.monotonic() + seconds
    while end not in got:
        if time.monotonic() > stop or not select.select([terminal], [], [], seconds)[0]:
            raise SystemExit(f"{end} did not come: {got!r}")
        got += os.read(terminal, 65536).decode(errors="replace")
    return got


def read_quiet() -> None:
    """Takes what comes until nothing has come for a while: the completion is done."""
    while select.select([terminal], [], [], 0.25)[0]:
        os.read(terminal, 65536)


os.write(terminal, f"{prepare}PS1=; source '{script}'; echo rea''dy\n".encode())
read_until("ready")
read_quiet()
for number, line in enumerate(lines):
    os.write(terminal, f"{line}\t".encode())
    read_quiet()
    # To the start of the line, which so becomes an argument; then to its end.
    os.write(terminal, f"\x01echo 'li''ne{number}' '\x05' 'en''d{number}'\n".encode())
    got = read_until(f"end{number}")
    print(re.findall(rf"line{number} (.*?) end{number}", got.replace("\r", ""))[-1].rstrip())
os.kill(pid, 9)
