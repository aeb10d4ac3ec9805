"""Tells what a terminal does to it: lines, a new size, and that it goes on after it was stopped.

It looks for lines again and again, so that a signal is told of even if it came right before a call.
"""

import os
import select
import signal
import sys


def tell(text):
    os.write(1, text.encode() + b"\n")


signal.signal(signal.SIGWINCH, lambda *_: tell("size %d %d" % os.get_terminal_size()))
signal.signal(signal.SIGCONT, lambda *_: tell("back"))
tell("ready")
while True:
    if select.select([0], [], [], 0.02)[0]:
        line = os.read(0, 1000).decode()
        if not line:
            sys.exit(9)
        tell("got " + line.strip())
