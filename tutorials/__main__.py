"""`python -m tutorials`: serve the tutorials to whoever sits here, and to nobody else.

Who reaches a served notebook can make this machine compute, and marimo asks nobody who he is: not
another user of this machine, not a page of another site that is open in the same browser. So it
listens to this machine alone, and to those who have the token in the link that opens. The token is
new each time, and handed over in a pipe: every user can read the arguments of a process.
"""

import argparse
import os
import secrets
import sys
from pathlib import Path

ALL = sorted(Path(__file__).parent.glob("[0-9]*.py"))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tutorials", description=__doc__)
    parser.add_argument(
        "notebooks", nargs="*", type=Path, default=ALL, help="all, if none is named"
    )
    parser.add_argument("--port", type=int, help="the first that is free from 2718 on")
    parser.add_argument("--headless", action="store_true", help="print the link, open no browser")
    asked = parser.parse_args()
    options = ["--host", "127.0.0.1", "--token-password-file", "-", "--include-code"]
    options += ["--headless"] if asked.headless else []
    options += ["--port", str(asked.port)] if asked.port else []
    token, end = os.pipe()
    os.write(end, secrets.token_urlsafe(32).encode())
    os.close(end)
    os.dup2(token, sys.stdin.fileno())
    command = [sys.executable, "-m", "marimo", "-y", "run", *options, *map(str, asked.notebooks)]
    os.execv(sys.executable, command)


if __name__ == "__main__":
    main()
