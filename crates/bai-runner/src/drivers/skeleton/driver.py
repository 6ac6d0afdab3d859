# A driver to copy when you add a language. It does all that a driver must do, and little more. A test (tests/skeleton.rs)
# runs it. `./try driver.py` beside it plays the runner, so that you can watch the messages. It is in Python because every
# machine that runs the tests has Python; its language is a small part of Python too. Write yours in your language. The parts
# marked YOURS depend on the language; the rest is the same in every driver.
#
# The runner starts the interpreter with the arguments of its row in scripted.rs, and writes this text and a NUL to the control
# pipe. The arguments read and evaluate it. Then the two exchange messages, which crates/bai-runner/src/wire.rs describes:
#
#   from the runner (control)      from the driver
#                                  ready                (report)  once
#   run ID CODE                    started              (aside)   SIGINT ends the cell from now on
#                                  done, exit code      (report)
#   script ID CODE                 the same, and the value of the last line is not shown
#   complete ID CODE               completions          (aside)
#   input TEXT                                                    the answer to `ask`, which few drivers send
#   window COLUMNS ROWS NAME=VALUE…                               the window in which a person sees the output, 0 for none, and
#                                                                 the variables that tell programs about it
#   wake                                                          SIGINT was sent; only some languages need to know
#   bye                                                           end normally
#   ack NUMBER                                                    all output before this message has been read
#
# A language that cannot take a descriptor by its number opens the file /proc/self/fd/NUMBER, as the rows of R and Octave do.
# The output of a cell goes to standard output and standard error, as in any program. Standard input needs no code: the
# runner notices which process reads from it.

import json
import os
import signal
import struct
import sys
import traceback

control = os.fdopen(int(sys.argv[1]), encoding='utf-8', newline='\n')
report, aside = int(sys.argv[2]), int(sys.argv[3])


# --- messages -------------------------------------------------------------------------------------------------------------

last_number = 0


def send(pipe, **message):
    """Sends a message, in frames of less than 4,096 bytes: number, length, whether it is the last frame, payload. The text
    of a message begins with `{"say"`, by which the runner tells it from bytes that user code writes to the same pipe."""
    global last_number
    last_number = (last_number + 1) % 2 ** 30
    payload = json.dumps(message).encode()
    pieces = [payload[at:at + 4000] for at in range(0, len(payload), 4000)]
    for piece in pieces:
        os.write(pipe, struct.pack('<IHB', last_number, len(piece), piece is pieces[-1]) + piece)
    return last_number


def sync():
    """Returns when the runner has read all that was written. Two pipes have no common order: without this, what is written to
    standard error could be shown before earlier standard output."""
    sys.stdout.flush()
    # An interrupt must not lose a line of the control pipe. It is delivered afterwards.
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    expected = 'ack %d\n' % send(report, say='sync')
    for line in control:
        if line == expected:
            break
        answer(line)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])


class StandardError:
    """Keeps the order of the two streams."""

    def write(self, text):
        sync()
        os.write(2, text.encode())
        sync()

    def flush(self):
        pass


def unescape(text):
    pieces = text.split('\\\\')
    return '\\'.join(piece.replace('\\n', '\n').replace('\\r', '\r') for piece in pieces)


# --- the language: YOURS --------------------------------------------------------------------------------------------------

names = {'__name__': '__main__'}


def evaluate(code):
    """Runs a cell in the user's namespace and shows its value."""
    try:
        value = compile(code, '<cell>', 'eval')
    except SyntaxError:
        exec(compile(code, '<cell>', 'exec'), names)
        return
    value = eval(value, names)
    if value is not None:
        print(repr(value))


def suggest(word):
    return sorted(name for name in names if name.startswith(word))


# --- cells ----------------------------------------------------------------------------------------------------------------

cell_runs = False


def interrupted(number, frame):
    # Between cells an interrupt has nothing to end, and must not end the driver.
    if cell_runs:
        raise KeyboardInterrupt


def run(number, code):
    global cell_runs
    status = 0
    try:
        try:
            cell_runs = True
            send(aside, say='started', id=number)
            evaluate(code)
        finally:
            cell_runs = False
    except KeyboardInterrupt:
        sys.stderr.write('Interrupted\n')
        status = 130
    except SystemExit as leaving:
        status = leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
    except BaseException:
        sys.stderr.write(traceback.format_exc(limit=-1))
        status = 1
    sys.stdout.flush()
    send(report, say='done', id=number, code=status)


def complete(number, code):
    """Sends the completions. `start` is the position, in characters, of the word that a suggestion replaces."""
    word = code[len(code.rstrip('abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_')):]
    send(aside, say='completions', id=number, start=len(code) - len(word), suggestions=suggest(word))


def answer(line):
    """A message that may come at any time."""
    words = line.rstrip('\n').split(' ', 2)
    if words[0] == 'complete':
        complete(int(words[1]), unescape(words[2]))


signal.signal(signal.SIGINT, interrupted)
sys.stderr = StandardError()
send(report, say='ready')
for line in control:
    if line.startswith(('run ', 'script ')):
        words = line.rstrip('\n').split(' ', 2)
        run(int(words[1]), unescape(words[2]))
    elif line.startswith('bye'):
        break
    else:
        answer(line)
