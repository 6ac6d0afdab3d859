# sys.stdin, sys.stdout and sys.stderr. Output goes to the real descriptors 1 and 2, where children and C extensions write
# too, at once for every write. Two pipes have no common order, so a change from one to the other waits until the runner
# has read the first. Input is requested from the runner.

import _thread
import io
import os
import sys

from _bai_repl import HAS_LENT_STREAMS, interrupts, window, wire

_file_write = io.FileIO.write
_fstat = os.fstat
_NOTHING = b'\0\0\0\0'
_yield = os.sched_yield


def _spare(number):
    """A copy with a high number; fewer files may be open than usual."""
    for first in (200, 50, 10):
        for copy in range(first, first + 20):
            try:
                _fstat(copy)
            except OSError:
                # It is free.
                try:
                    os.dup2(number, copy, False)
                    return copy
                except OSError:
                    break
    return number


# Whether one of these at least is a terminal of a script's own, or what its user has led it to. Then they are Python's, and nothing
# of ours is between them and the script.
ARE_PYTHONS = HAS_LENT_STREAMS or any(map(os.isatty, (0, 1, 2)))

# Kept in case user code closes these descriptors. Who is at the other end of Python's own learns of that.
_SPARE = {number: number if ARE_PYTHONS else _spare(number) for number in (0, 1, 2)}

# How Python itself encodes its three streams in this environment.
_ENCODINGS = {number: {'encoding': stream.encoding, 'errors': stream.errors}
              for number, stream in enumerate((sys.stdin, sys.stdout, sys.stderr)) if stream is not None}
_OF_CELLS = {'encoding': 'utf-8', 'errors': 'backslashreplace'}

def on_error():
    """Called when a stream cannot be written."""


# The number of checks whether the runner has read a stream, before the runner is asked.
_LOOKS = 200


class _Standard(io.FileIO):
    def _write_rest(self, data, written):
        # A signal handler of the user can cut a write short.
        view = memoryview(data).cast('B')
        try:
            while written < len(view):
                written += _file_write(self, view[written:]) or 0
        except OSError:
            on_error()
            raise
        return written

    def isatty(self):
        return window.is_seen(self.fileno())


class StandardOutput(_Standard):
    # What a text stream looks at to see whether it is closed.
    twin = None

    def close(self):
        if self.twin is not None:
            self.twin.close()
        super().close()

    def write(self, data, write=_file_write, len=len):
        try:
            written = write(self, data)
        except OSError:
            on_error()
            raise
        if written == len(data):
            return written
        return self._write_rest(data, written or 0)


class _OutputInBlocks(StandardOutput):
    """Standard output below a buffer. A signal handler must not raise an exception between the write and the moment when the
    buffer learns of it: the buffer would write the same again. So no code of Python is between them."""

    write = _file_write


class _OutputAfterError(StandardOutput):
    """Standard output while something on standard error may not have been read."""

    def write(self, data):
        self.__class__ = StandardOutput if self.twin is None else _OutputInBlocks
        _settle(2)
        return self._write_rest(data, 0)


class StandardError(_Standard):
    def write(self, data):
        if _blocks is not None:
            try:
                # What was printed before comes before it.
                _blocks.flush()
            except Exception:
                # Standard output says so itself, at its next use.
                pass
        _settle(1)
        _output.__class__ = _OutputAfterError
        return self._write_rest(data, 0)


class _WatchedError(StandardError):
    """Standard error of a Python that only says there what it discards."""

    def write(self, data):
        interrupts.note_report(bytes(data))
        return super().write(data)


if not interrupts.HAS_HOOK:
    StandardError = _WatchedError
_is_finalizing = sys.is_finalizing
_ioctl = _FIONREAD = None


def _unread(number):
    """Whether the runner has not read a stream. None if that cannot be told."""
    global _ioctl, _FIONREAD
    if _ioctl is None:
        try:
            from termios import FIONREAD as _FIONREAD
            _ioctl = window.real_ioctl()
        except ImportError:
            # No more files can be opened.
            return None
    try:
        return _ioctl(_SPARE[number], _FIONREAD, _NOTHING) != _NOTHING
    except OSError:
        return False


def _settle(number):
    """Returns when the runner has read all of a stream. Usually that happens at once, and asking takes longer."""
    for _ in range(_LOOKS):
        unread = _unread(number)
        if unread is None:
            break
        if not unread:
            return
        _yield()
    # When Python ends, the thread that would hear the answer has ended.
    if not _is_finalizing():
        wire.sync()


def before_child():
    """Puts the output of a child after all output from before its start."""
    if ARE_PYTHONS:
        return
    flush()
    _settle(1)
    _settle(2)


def after_child():
    """Puts its text on standard error before the next output."""
    if not ARE_PYTHONS:
        _output.__class__ = _OutputAfterError


class _Questions:
    """Asks the runner for lines, one question at a time."""

    def __init__(self):
        self._one_at_a_time = _thread.allocate_lock()
        self._answered = None
        self._answer = ''

    def ask(self, password=False):
        """The line without its newline; None at the end of the input."""
        return self.put({'say': 'ask', 'password': password})

    def put(self, question):
        """Puts a question, and returns its answer, or None if there is none."""
        if wire.is_alone():
            return None
        flush()
        with self._one_at_a_time:
            answered = self._answered = wire.Bell()
            try:
                wire.say(question)
                answered.wait()
                # Ctrl-D, as a line.
                return None if self._answer == '\x04' else self._answer
            finally:
                if self._answered is not None:
                    # A signal handler of the program has raised an exception: nobody waits for the line any more.
                    self._answered = None
                    wire.say_last({'say': 'unask'})
                self._answer = ''

    def is_waiting(self):
        return self._answered is not None

    def end(self):
        """The cell is over: for a thread that still asks, the input has ended."""
        self.answer('\x04')

    def answer(self, text):
        answered, self._answered = self._answered, None
        if answered is not None:
            self._answer = text
            answered.ring()


questions = _Questions()
# For what a script asks at the terminal of its client, whatever its input is.
secrets = _Questions()


def answer_secret(text):
    secrets.answer('\x04' if text is None else text)


class StandardInput(io.TextIOBase):
    """Lines of the user. Reading all of them ends at an empty line or at Ctrl-D."""

    name = '<stdin>'
    mode = 'r'
    encoding = 'utf-8'
    errors = 'strict'
    newlines = None
    line_buffering = True

    def __init__(self):
        self._rest = ''
        self._buffer = None

    @property
    def buffer(self):
        if self._buffer is None:
            self._buffer = io.BufferedReader(_InputBytes(self))
        return self._buffer

    def fileno(self):
        return 0

    def isatty(self):
        return window.is_seen(0)

    def readable(self):
        return True

    def close(self):
        # exit() and quit() close it, but the next cell may need it.
        pass

    def forget(self):
        """Drops what a cell has not read of its answers: it does not belong to the next cell."""
        self._rest = ''
        self._buffer = None

    def _line(self):
        if self._rest:
            line, self._rest = self._rest, ''
            return line
        answer = questions.ask()
        return '' if answer is None else answer + '\n'

    def readline(self, size=-1):
        line = self._line()
        end = line.find('\n') + 1
        if size is not None and 0 <= size:
            end = min(end or len(line), size)
        if end and end < len(line):
            line, self._rest = line[:end], line[end:]
        elif size == 0:
            line, self._rest = '', line
        return line

    def read(self, size=-1):
        text = ''
        if size is not None and size >= 0:
            while len(text) < size:
                line = self._line()
                if not line:
                    break
                text += line
            text, self._rest = text[:size], text[size:] + self._rest
            return text
        while True:
            line = self._line()
            if line in ('', '\n'):
                return text
            text += line


class _InputBytes(io.RawIOBase):
    def __init__(self, text):
        self._text = text
        self._rest = b''

    def readable(self):
        return True

    def fileno(self):
        return 0

    def close(self):
        pass

    def readinto(self, target):
        if not self._rest:
            self._rest = self._text.readline().encode('utf-8')
        count = min(len(target), len(self._rest))
        target[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count


def ask_password(prompt='Password: ', stream=None, **options):
    """A replacement for getpass.getpass()."""
    # The prompt is not a part of what a script prints.
    usual = sys.stdout if sys.stdin is _input else sys.stderr
    target = stream if stream is not None else usual
    if _has_tty and stream is None:
        answer = secrets.put({'say': 'ask_secret', 'prompt': str(prompt)})
    else:
        target.write(prompt)
        target.flush()
        answer = secrets.put({'say': 'ask_secret', 'prompt': ''}) if _has_tty else questions.ask(password=True)
    if answer is None:
        raise EOFError
    return answer


# Standard output while it is written in blocks.
_blocks = None


def _open(kind, number, encoding, is_buffered=False):
    global _output, _blocks
    raw = kind(number, 'w', closefd=False)
    if number == 1:
        _output = raw
    raw.name = '<stdout>' if number == 1 else '<stderr>'
    if is_buffered:
        # A text stream asks at each write whether its file is closed. That takes a tenth of the time of a print(), unless it
        # finds a plain file when it is made.
        raw.twin = io.FileIO(number, 'w', closefd=False)
        raw.__class__ = _OutputInBlocks
        buffer = io.BufferedWriter(raw.twin)
    else:
        buffer = raw
    stream = io.TextIOWrapper(buffer, newline='\n', write_through=not is_buffered, **encoding)
    if is_buffered:
        buffer.__init__(raw)
    stream.mode = 'w'
    if number == 1:
        _blocks = stream if is_buffered else None
    return stream


def _is_buffered():
    """Whether Python itself would write the output of a script in blocks: nobody watches it, and its user does not want otherwise."""
    return not window.is_seen(1) and os.environ.get('PYTHONUNBUFFERED', '') in ('', 'bai-repl')


class _ScriptInput(io.FileIO):
    """The descriptor, which a person may type into."""

    def isatty(self):
        return not _is_piped or super().isatty()


_input = StandardInput()
# Whether a script runs whose input nobody types.
_is_piped = False
# Whether it can ask at a terminal beside its input.
_has_tty = False


def asks_nobody():
    """Whether there is a script that can ask nobody for a secret: it has its input."""
    return _is_piped and (not _has_tty or wire.is_alone())


def begin_script(terminal, tty):
    """The input of a script is what its descriptor 0 gives, and all streams have the encodings of a program."""
    global _is_piped, _has_tty
    _is_piped, _has_tty = not terminal, tty
    raw = io.BufferedReader(_ScriptInput(0, 'r', closefd=False))
    raw.raw.name = '<stdin>'
    # Ends of lines stay as they are.
    sys.stdin = sys.__stdin__ = io.TextIOWrapper(raw, newline='\n', **_encoding(0))
    sys.stdin.mode = 'r'
    _reopen(_encoding(1), _encoding(2), _is_buffered())


def end_script():
    global _is_piped, _has_tty
    _is_piped = _has_tty = False
    sys.stdin = sys.__stdin__ = _input
    _reopen(_OF_CELLS, _OF_CELLS)


def _encoding(number):
    own = _ENCODINGS.get(number, _OF_CELLS)
    # Before 3.7, Python took ASCII where no locale is set.
    return dict(own, encoding='utf-8') if own['encoding'] in ('ascii', 'ANSI_X3.4-1968') else own


def _reopen(output, error, is_buffered=False):
    """Opens both output streams with these encodings. A stream that the user has put in their place stays."""
    flush()
    output, error = _open(StandardOutput, 1, output, is_buffered), _open(StandardError, 2, error)
    if sys.stdout is sys.__stdout__:
        sys.stdout = output
    if sys.stderr is sys.__stderr__:
        sys.stderr = error
    sys.__stdout__, sys.__stderr__ = output, error


def _share():
    """In a child of a cell: a line is one write, so that lines of several processes do not mingle."""
    if sys.__stdin__ is _input:
        sys.__stdout__.reconfigure(line_buffering=True, write_through=False)


def install():
    if hasattr(os, 'register_at_fork'):
        os.register_at_fork(after_in_child=_share)
    sys.stdin = sys.__stdin__ = _input
    sys.stdout = sys.__stdout__ = _open(StandardOutput, 1, _OF_CELLS)
    sys.stderr = sys.__stderr__ = _open(StandardError, 2, _OF_CELLS)


def _is_usable(stream):
    try:
        return stream is not None and not stream.closed
    except Exception:
        # An object of the user has a write() of its own, or raises an error.
        return hasattr(stream, 'write')


def repair():
    """Restores streams that a cell has closed. Replaced streams stay replaced, as in any interpreter."""
    for number, spare in _SPARE.items():
        try:
            os.fstat(number)
        except OSError:
            os.dup2(spare, number)
    if not _is_usable(sys.__stdout__):
        sys.__stdout__ = _open(StandardOutput, 1, _OF_CELLS)
    if not _is_usable(sys.__stderr__):
        sys.__stderr__ = _open(StandardError, 2, _OF_CELLS)
    if not _is_usable(sys.stdout):
        sys.stdout = sys.__stdout__
    if not _is_usable(sys.stderr):
        sys.stderr = sys.__stderr__
    if sys.stdin is None:
        sys.stdin = sys.__stdin__


# Whether the programs that the cell starts by a line of the shell may have a terminal of their own.
gives_terminal = False


def begin_cell(terminal):
    global gives_terminal
    gives_terminal = terminal
    repair()
    _input.forget()


def flush():
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except Exception:
            pass


def complain(text):
    """Writes to standard error, even if sys.stderr is broken."""
    try:
        sys.stderr.write(text)
        sys.stderr.flush()
    except Exception:
        _settle(1)
        data = text.encode('utf-8', 'backslashreplace')
        try:
            while data:
                data = data[os.write(_SPARE[2], data):]
        except OSError:
            # Nobody reads it.
            pass
