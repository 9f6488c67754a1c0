"""Usage: deploy/invoke.sh FILE [CONTENT-TYPE]

Predicts FILE in a job of its own, as a deployment does, and prints the predictions.

  CONTENT-TYPE   what is in it; without it, by the ending: .jsonl .csv .json .npy .libsvm

A file that is not made of lines is one request. Settings: deploy/settings.env.
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
    """Predicts a file in a job of its own; the predictions."""
    kind = invoke.content_type(given.file, given.content_type)
    own = replace(settings, batch_input=given.file, batch_content_type=kind)
    if not re.match("text/|application/jsonlines", kind):
        own = replace(own, batch_split="None", batch_assemble="None")
    _, output = batch.predict(own, "")
    place = f"{output}/{storage.safe_name(given.file)}.out"
    predictions = storage.read(sign_in(settings), place)
    if predictions is None:
        raise Failure(f"The job has written nothing to {place}", "Is anything in the file?")
    return predictions
