#!/usr/bin/env python3
"""Runs the commands of this project from Python: python3 deploy/deploy.py COMMAND; --help lists them."""

import sys

from deployer.__main__ import main

if __name__ == "__main__":
    sys.exit(main())
