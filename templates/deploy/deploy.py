#!/usr/bin/env python3
"""Run this project's deploy commands: python3 deploy/deploy.py COMMAND. --help lists the commands."""

import sys

from deployer.__main__ import main

if __name__ == "__main__":
    sys.exit(main())
