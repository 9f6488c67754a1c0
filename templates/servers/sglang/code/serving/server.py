"""SGLang's server with the adapter as middleware, for which it has no option. `python3 -m serving.server OPTIONS`"""

import os
import sys

from sglang.launch_server import run_server
from sglang.srt.entrypoints.http_server import app
from sglang.srt.plugins import load_plugins
from sglang.srt.server_args import prepare_server_args
from sglang.srt.utils import kill_process_tree

from serving.adapter import Adapter

if __name__ == "__main__":  # SGLang's subprocesses import this file, too
    app.add_middleware(Adapter)
    load_plugins()
    arguments = prepare_server_args(sys.argv[1:])
    try:
        run_server(arguments)
    finally:
        kill_process_tree(os.getpid(), include_parent=False)
