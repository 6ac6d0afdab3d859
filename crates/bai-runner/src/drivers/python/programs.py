# The programs that a cell runs as lines of a shell: `!COMMAND`, and `lines = !COMMAND` where there is IPython. If the cell was
# typed at a terminal, each has one of its own, which the runner makes, and what the code keeps goes to a pipe of ours. Else they
# have the streams of the session. An interrupt ends the cell and not only the program.

import _signal
import os
import re

from _bai_repl import cells, interrupts, streams, window, wire

# It reads its standard input to the end before it shows a file, unless that is a terminal.
_MORE_OF_A_FILE = re.compile(r'\s*more\s+[^\s<>|&;]')

# How much of an output is read at once.
_PIECE = 1 << 16


def _run(command, **options):
    """Runs a line of the shell to its end; returns its output, if it goes to a pipe."""
    process = output = None
    try:
        process = _start(command, options)
        output = process.communicate()[0]
    except KeyboardInterrupt:
        # The command was interrupted too and may be cleaning up. A second interrupt ends the wait.
        try:
            if process is not None:
                process.communicate()
        except KeyboardInterrupt:
            process.kill()
        raise KeyboardInterrupt from None
    finally:
        cells.main.__dict__['_exit_code'] = process.returncode if process is not None else None
    return output


def _start(command, options):
    """Starts the user's shell, as IPython does, or that of the system if there is no such program."""
    import subprocess
    if _MORE_OF_A_FILE.match(command):
        options['stdin'] = subprocess.DEVNULL
    try:
        return subprocess.Popen(command, shell=True, executable=os.environ.get('SHELL') or None, **options)
    except OSError:
        return subprocess.Popen(command, shell=True, **options)


class _Output:
    """What a program that the runner starts writes for the code: a pipe, whose other end the runner opens by its name."""

    def __init__(self):
        self._reader, self._writer = os.pipe()
        # Only what wakes the reader is written here.
        os.set_blocking(self._writer, False)
        self._is_unwanted = False
        self._pieces = []
        # On a system that has no such name, the program is not started.
        self.name = '/proc/%d/fd/%d' % (os.getpid(), self._writer)

    def read(self):
        """Reads to the end."""
        while not self._is_unwanted:
            piece = os.read(self._reader, _PIECE)
            if not piece:
                return
            self._pieces.append(piece)

    def end(self, is_wanted=True):
        """The program has ended. What it has left in the background may still write."""
        # In one step: this is called in several threads.
        writer = self.__dict__.pop('_writer', None)
        if writer is None:
            return
        if not is_wanted:
            self._is_unwanted = True
            try:
                os.write(writer, b'\0')
            except BlockingIOError:
                # There is something to read.
                pass
        os.close(writer)

    def take(self):
        pieces, self._pieces = self._pieces, []
        return b''.join(pieces)

    def close(self):
        self.end()
        os.close(self._reader)


class _AtTerminal:
    """A program that the runner starts in our stead."""

    def __init__(self, output):
        self._is_over = wire.Bell()
        self._is_asked_for = self._has_ended = False
        self.output = output
        self.code = None

    def end(self, code):
        self.code = code
        if self.output is not None:
            self.output.end(is_wanted=code != -_signal.SIGINT)
        self._has_ended = True
        self._is_over.ring()

    def run(self, message):
        """Runs it to its end. Returns whether there was an interrupt, which does not take the terminal from it."""
        was_interrupted = False
        while True:
            try:
                if not self._is_asked_for:
                    self._ask(message)
                if self.output is not None:
                    self.output.read()
                self._is_over.wait()
                return was_interrupted
            except KeyboardInterrupt:
                if not self._is_asked_for:
                    raise
                was_interrupted = True
                if self._has_ended:
                    return True

    def _ask(self, message):
        # The message has several pieces.
        _signal.pthread_sigmask(_signal.SIG_BLOCK, [_signal.SIGINT])
        try:
            wire.say_last(message)
            self._is_asked_for = True
        finally:
            _signal.pthread_sigmask(_signal.SIG_UNBLOCK, [_signal.SIGINT])


_at_terminal = None


def _forget_output():
    """Another thread has made this process by a fork: it does not keep the pipe open."""
    if _at_terminal is not None and _at_terminal.output is not None:
        _at_terminal.output.end()


if hasattr(os, 'register_at_fork'):
    os.register_at_fork(after_in_child=_forget_output)


def ended(code):
    """The program at the terminal has ended, or was not started. Called in the thread of messages."""
    if _at_terminal is not None:
        _at_terminal.end(code)


def _plain(text):
    """A text for the runner, in which a byte that is not UTF-8 is a character of its own."""
    text = os.fsencode(text).decode('utf-8', 'surrogateescape')
    return ''.join(chr(ord(c) - 0xdc00 + 0x10ff00) if '\udc80' <= c <= '\udcff' else c for c in text)


def _run_at_terminal(command, output=None):
    """Runs a line of the shell at a terminal of its own; what it writes goes to the output, if there is one. Returns whether
    there was a terminal."""
    global _at_terminal
    if not streams.gives_terminal or not interrupts.is_main_thread() or wire.is_alone():
        return False
    try:
        message = {
            'say': 'program',
            'args': [_plain(word) for word in (os.environ.get('SHELL') or '/bin/sh', '-c', command)],
            'environment': {_plain(name): _plain(value) for name, value in window.environment_at_terminal().items()},
            'folder': _plain(os.getcwd()),
        }
        if output is not None:
            message['output'] = output.name
    except (OSError, ValueError):
        # The other way says what is wrong.
        return False
    streams.before_child()
    program = _at_terminal = _AtTerminal(output)
    was_interrupted = program.run(message)
    if program.code is None:
        return False
    cells.main.__dict__['_exit_code'] = program.code
    if was_interrupted or program.code == -_signal.SIGINT:
        raise KeyboardInterrupt
    return True


def run(command):
    """Runs a line of the shell. Its exit code is in _exit_code."""
    if not _run_at_terminal(command):
        _run(command)


def output(command):
    """The output of a line of the shell, with what it writes to standard error."""
    return _output(command).decode('utf-8', 'replace')


def _output(command):
    kept = _Output()
    try:
        if _run_at_terminal(command, kept):
            return kept.take()
    finally:
        kept.close()
    import subprocess
    return _run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
