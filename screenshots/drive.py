#!/usr/bin/env python3
"""Plays a scripted session of bai-repl inside a terminal emulator: passes all data between the two in both
directions, types the script's lines when the prompt waits for them, and leaves a file when the last one is answered.

    drive.py READY PROMPT COMMAND... < SCRIPT
"""

import fcntl
import os
import pty
import select
import struct
import sys
import termios
import time
import tty

LIMIT = 60  # seconds for one answer
QUIET = 0.6  # seconds without output that end an answer
ENTERED = b'\x1b[?2004l'  # the editor has taken a line: it turns bracketed paste off


def main():
    ready, prompt, command = sys.argv[1], sys.argv[2].encode(), sys.argv[3:]
    lines = [line.rstrip('\n') for line in sys.stdin]
    keyboard = os.open('/dev/tty', os.O_RDWR)
    size = fcntl.ioctl(keyboard, termios.TIOCGWINSZ, struct.pack('HHHH', 0, 0, 0, 0))
    child, master = pty.fork()
    if child == 0:
        os.execvp(command[0], command)
    fcntl.ioctl(master, termios.TIOCSWINSZ, size)
    tty.setraw(keyboard)
    for line in [None, *lines]:
        if line is not None:
            os.write(master, line.encode() + b'\r')
        if not wait(master, keyboard, prompt, entered=line is None):
            sys.exit(1)
    with open(ready, 'w') as file:
        file.write('ready')
    wait_for_end(master, keyboard)


def wait(master, keyboard, prompt, entered):
    """Passes data on until the line is entered, the prompt or a full-screen view is shown after that, and the output has stopped."""
    seen, deadline = b'', time.monotonic() + LIMIT
    while time.monotonic() < deadline:
        readable, _, _ = select.select([master, keyboard], [], [], QUIET)
        if not readable and entered and (prompt in seen or b'any key leaves' in seen) and is_edited(master):
            return True
        for source in readable:
            data = read(source)
            if not data and source == master:
                return False
            if source == master:
                seen += data
                if not entered and ENTERED in seen:
                    entered, seen = True, seen.split(ENTERED, 1)[1]
            write(keyboard if source == master else master, data)
    return False


def is_edited(master):
    """Whether Ctrl-C is a key: the prompt or a view reads the keyboard, and no cell runs."""
    return not termios.tcgetattr(master)[3] & termios.ISIG


def wait_for_end(master, keyboard):
    while True:
        readable, _, _ = select.select([master, keyboard], [], [])
        for source in readable:
            data = read(source)
            if not data:
                return
            write(keyboard if source == master else master, data)


def read(source):
    try:
        return os.read(source, 65536)
    except OSError:
        return b''


def write(target, data):
    while data:
        data = data[os.write(target, data):]


if __name__ == '__main__':
    main()
