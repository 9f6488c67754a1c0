"""Usage: deploy/invoke.sh FILE [CONTENT-TYPE]

Sends FILE to the endpoint as one request.

  CONTENT-TYPE   what is in it; without it, by the ending: .json .jsonl .csv .npy .libsvm
  ACCEPT         (environment) what the answer should be, such as text/csv

Prints the answer. Settings: deploy/settings.env.
"""

from __future__ import annotations

import argparse

from deployer import requesting
from deployer.aws import sign_in
from deployer.settings import Settings

arguments = requesting.arguments


def run(settings: Settings, given: argparse.Namespace) -> bytes:
    """Sends a file as one request; the answer."""
    kind = requesting.content_type(given.file, given.content_type)
    return requesting.invoke(sign_in(settings), given.file, kind)
