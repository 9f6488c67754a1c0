"""Usage: deploy/invoke.sh FILE [CONTENT-TYPE]

Runs a batch transform job on FILE, as a deployment does on BATCH_INPUT, and prints the predictions.

  CONTENT-TYPE   default: inferred from the file extension: .jsonl .csv .json .npy .libsvm

A file in a format without one record per line is sent as one request. Settings: deploy/settings.env.
"""

from __future__ import annotations

import argparse
import re
from dataclasses import replace

from deployer import batch, invoke, storage
from deployer.aws import Failure, sign_in
from deployer.requests.transform import Settings

arguments = invoke.arguments


def run(settings: Settings, given: argparse.Namespace) -> bytes:
    """Run a job on a file. Return the predictions."""
    kind = invoke.content_type(given.file, given.content_type)
    own = replace(settings, batch_input=given.file, batch_content_type=kind)
    if not re.match("text/|application/jsonlines", kind):
        own = replace(own, batch_split="None", batch_assemble="None")
    _, output = batch.predict(own, "")
    uri = f"{output}/{storage.safe_name(given.file)}.out"
    predictions = storage.read(sign_in(settings), uri)
    if predictions is None:
        raise Failure(f"The job wrote nothing to {uri}", "Is the file empty?")
    return predictions
