# Messages to and from the runner; crates/bai-runner/src/wire.rs describes them. Small frames, each written by one system call
# that is atomic, so that neither a signal nor another thread can tear a message.

import _thread
import errno
import io
import os
import sys

# The part in C: the module around it takes longer to load than all of ours.
import _signal

from _bai_repl import IS_GUEST, PIPES

CONTROL_IN, CONTROL_OUT, ASIDE_OUT = PIPES
PIECE = 4096 - 7

# The user may replace any of these in their modules; the driver keeps the real ones.
_write = os.write
_getpid = os.getpid
_exit = os._exit
_killpg = os.killpg
_set_inheritable = os.set_inheritable
_new_lock = _thread.allocate_lock
_start_thread = _thread.start_new_thread
_numbers = iter(range(1, 1 << 62))

PID = _getpid()
# Whether a program that Python itself runs has closed the pipes. It goes on without the driver.
_is_cut_off = False
_unanswered = {}


# What JSON calls by other names than Python. The runner escapes less than JSON allows, and only as Python does too.
_NAMES = {'__builtins__': {}, 'true': True, 'false': False, 'null': None}


def _read(line):
    # Code and not a text: Python forgets at each text that it runs that an interrupt ends the program.
    return eval(compile(line.decode('utf-8'), '<message>', 'eval'), _NAMES)


def _quote(text):
    """A text as JSON. Names are nearly all that is sent, and the part of the json module in C takes a while to load."""
    if text.isidentifier():
        return ('"' + text + '"').encode('utf-8')
    from _json import encode_basestring_ascii as quote
    return quote(text).encode('ascii')


# A signal to a process that is stopped goes to whichever thread runs first after that. Taken by one of ours, it would not wake the
# main thread from a call that waits. The kernel sends those that are left out to the thread that has the fault.
_FAULTS = {_signal.SIGSEGV, _signal.SIGBUS, _signal.SIGFPE, _signal.SIGILL, _signal.SIGABRT, _signal.SIGTRAP}
_FOR_MAIN = set(range(1, 32)) - _FAULTS
if hasattr(_signal, 'SIGRTMIN'):
    _FOR_MAIN.update(range(_signal.SIGRTMIN, _signal.SIGRTMAX + 1))


def start_thread(work, *args):
    """Runs work(*args) in a thread that threading.enumerate() does not list, and that takes no signals."""
    _start_thread(_do, (work, args))


def _do(work, args, is_over=sys.is_finalizing, block=_signal.pthread_sigmask, how=_signal.SIG_BLOCK, signals=_FOR_MAIN):
    # Until 3.8, Python lets a thread begin when it is about to end itself, and has emptied the modules already.
    try:
        block(how, signals)
        work(*args)
    except:
        if not is_over():
            raise


class Bell:
    """Lets one thread wait until another one rings; ringing twice has the effect of once."""

    def __init__(self):
        self._lock = _new_lock()
        self._lock.acquire()

    def ring(self):
        if self._lock.locked():
            self._lock.release()

    def wait(self, seconds=-1):
        """Returns whether it was rung in that time."""
        return self._lock.acquire(True, seconds)


class Plain:
    """A text that needs no escapes in JSON, in pieces of bytes. Pictures are large, and copies of them take time."""

    def __init__(self, *pieces):
        self.pieces = pieces


def _encode(value):
    """Writes JSON. The json module would fail with builtins that the user has replaced."""
    pieces = []
    _add(value, pieces.append)
    return b''.join(pieces)


def _add(value, add):
    if isinstance(value, Plain):
        add(b'"')
        for piece in value.pieces:
            add(piece)
        add(b'"')
    elif isinstance(value, str):
        add(_quote(value))
    elif isinstance(value, dict):
        before = b'{'
        for key, item in value.items():
            add(before + _quote(key) + b':')
            _add(item, add)
            before = b','
        add(b'}' if value else b'{}')
    elif isinstance(value, list):
        before = b'['
        for item in value:
            add(before)
            _add(item, add)
            before = b','
        add(b']' if value else b'[]')
    else:
        add(b'null' if value is None else repr(value).lower().encode('ascii'))


def hand_on(is_handed_on):
    """Whether the program that takes the place of this one gets our pipes. One that is started beside it never does."""
    for pipe in PIPES:
        try:
            _set_inheritable(pipe, is_handed_on)
        except OSError:
            # User code has closed it.
            pass


hand_on(False)


def is_alone():
    """Whether nobody hears this process. User code has forked it, and it must not speak for the kernel, or has closed its pipes."""
    return _is_cut_off or _getpid() != PID


def _cut_off():
    """User code has closed a pipe."""
    global _is_cut_off
    if not IS_GUEST:
        # There are no more cells.
        _exit(70)
    _is_cut_off = True
    for taken in list(_unanswered.values()):
        taken.ring()


def _send(pipe, number, message):
    payload = _encode(message)
    for start in range(0, len(payload), PIECE):
        piece = payload[start:start + PIECE]
        last = start + PIECE >= len(payload)
        header = number.to_bytes(4, 'little') + len(piece).to_bytes(2, 'little') + (b'\1' if last else b'\0')
        try:
            _write(pipe, header + piece)
        except OSError as error:
            if error.errno == errno.EPIPE:
                # The runner has ended, and no client is left.
                _exit(70)
            # A signal handler of the user may raise an error of this kind too.
            if error.errno != errno.EBADF:
                raise
            return _cut_off()


def say(message):
    """Sends a message that keeps its place in the output; returns when the runner has read all earlier output."""
    if is_alone():
        return
    number = next(_numbers) & 0xffffffff
    taken = _unanswered[number] = Bell()
    try:
        _send(CONTROL_OUT, number, message)
        if not _is_cut_off:
            taken.wait()
    finally:
        _unanswered.pop(number, None)


def say_last(message):
    """Sends a message that keeps its place in the output, without waiting."""
    if not is_alone():
        _send(CONTROL_OUT, next(_numbers) & 0xffffffff, message)


def say_aside(message):
    """Sends a message that is independent of the output."""
    if not is_alone():
        _send(ASIDE_OUT, next(_numbers) & 0xffffffff, message)


def sync():
    """Returns when the runner has read all output so far."""
    say({'say': 'sync'})


def _listen(handlers):
    lines = io.open(CONTROL_IN, 'rb', closefd=False)
    while True:
        try:
            line = lines.readline()
        except OSError:
            return _cut_off()
        if not line:
            # The runner has ended, and so does everything that it started.
            _killpg(0, _signal.SIGKILL)
        message = _read(line)
        what = message.pop('do')
        if what == 'ack':
            taken = _unanswered.pop(message['id'], None)
            if taken is not None:
                taken.ring()
        else:
            handlers[what](**message)


def listen(handlers):
    """Serves the runner's messages in a thread of its own."""
    start_thread(_listen, handlers)
