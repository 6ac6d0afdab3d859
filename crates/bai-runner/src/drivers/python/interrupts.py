# The handling of SIGINT. While a cell runs the handler is the user's (at first
# Python's own, which raises KeyboardInterrupt); between cells SIGINT is ignored, so that one that comes late neither
# ends the driver nor leaks into the next cell.

# The C module: the signal module around it needs builtins that the user may have replaced.
import _signal as signal
import _thread
import sys
import time

_signal = signal.signal
_kill_thread = signal.pthread_kill
_sleep = time.sleep
_start_thread = _thread.start_new_thread
_SIGINT = signal.SIGINT
# An unused signal, which only wakes the main thread.
_NUDGE = getattr(signal, 'SIGRTMIN', signal.SIGURG - 7) + 7
_main_thread = _thread.get_ident()
_users_handler = signal.default_int_handler
_armed = False


def is_main_thread():
    return _thread.get_ident() == _main_thread


def _ignore(number, frame):
    pass


def arm():
    """From here on SIGINT goes to the user's code."""
    global _armed
    # Calls the ignoring handler for pending signals, before the other one replaces it.
    _signal(_SIGINT, _ignore)
    _armed = True
    _signal(_SIGINT, _users_handler)


def hand_over():
    """From here on SIGINT is the program's, as Python itself sets it up."""
    global _armed
    _armed = True
    _signal(_SIGINT, _users_handler)


def disarm():
    """From here on SIGINT is ignored. A KeyboardInterrupt that comes in between is swallowed."""
    global _armed, _users_handler
    while True:
        try:
            handler = _signal(_SIGINT, _ignore)
            if handler is not _ignore and handler is not None:
                _users_handler = handler
            _armed = False
            return
        except KeyboardInterrupt:
            continue


def _wake():
    for pause in (0.002, 0.01, 0.05, 0.2):
        _sleep(pause)
        if not _armed:
            return
        _kill_thread(_main_thread, _NUDGE)


def wake():
    """SIGINT was sent. When it came in the moment between Python's last look for signals and a system call that
    waits, the call would wait on; so the main thread is woken a few times more, which does nothing else."""
    _start_thread(_wake, ())


def _again():
    _sleep(0.01)
    if _armed:
        _kill_thread(_main_thread, _SIGINT)


def _unraisable(args, report=getattr(sys, 'unraisablehook', None)):
    """Python goes on after an exception in a destructor or a callback. An interrupt that came there is sent again."""
    if args.exc_type is KeyboardInterrupt and _armed and is_main_thread():
        _start_thread(_again, ())
    else:
        report(args)


# Before 3.8 there is no hook.
if hasattr(sys, 'unraisablehook'):
    sys.unraisablehook = _unraisable
disarm()
_users_handler = signal.default_int_handler
_signal(_NUDGE, _ignore)
