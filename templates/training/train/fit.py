#!/usr/bin/env python3
"""Train a model in a SageMaker training job: python3 train/fit.py TRAIN.csv. See --help."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "deploy"))

from deployer.__main__ import main

if __name__ == "__main__":
    sys.exit(main(["fit", *sys.argv[1:]]))
