# The handling of SIGINT. While a cell runs the handler is the user's (at first
# Python's own, which raises KeyboardInterrupt); between cells SIGINT is ignored, so that one that comes late neither
# ends the driver nor leaks into the next cell. Code of the user that goes on between two cells, such as a task of asyncio, can
# hold the main thread; the runner then asks to free it.

# The C module: the signal module around it needs builtins that the user may have replaced.
import _signal as signal
import _thread
import os
import sys
import time

import _bai_repl
from _bai_repl import wire

_signal = signal.signal
_kill_thread = signal.pthread_kill
_kill_group = os.killpg
_sleep = time.sleep
_SIGINT = signal.SIGINT
# An unused signal, which only wakes the main thread.
_NUDGE = getattr(signal, 'SIGRTMIN', signal.SIGURG - 7) + 7
# Another one, which ends what holds the main thread.
_FREE = getattr(signal, 'SIGRTMIN', signal.SIGXCPU - 8) + 8
# Seconds. Code that takes longer holds the main thread.
_HELD = 0.5
_main_thread = _thread.get_ident()
_users_handler = signal.default_int_handler
_armed = False
# The modules of the first frame while Python starts.
_BEFORE_PROGRAM = ('site', 'sitecustomize', 'importlib._bootstrap', '_frozen_importlib')
# Whether the main thread has no cell.
_rests = False
# Another number for each piece of user code.
_turn = 0
# Another number for each signal.
_wakes = 0


def is_main_thread():
    return _thread.get_ident() == _main_thread


def _ignore(number, frame):
    pass


def arm():
    """From here on SIGINT goes to the user's code."""
    global _armed, _turn, _is_in_report
    _is_in_report = False
    _turn += 1
    # Calls the ignoring handler for pending signals, before the other one replaces it.
    _signal(_SIGINT, _ignore)
    _armed = True
    _signal(_SIGINT, _users_handler)


def hand_over():
    """From here on SIGINT is the program's, as Python itself sets it up."""
    global _armed
    _armed = True
    _signal(_SIGINT, _users_handler)


def when_program_runs(action):
    """Calls action() in a thread when Python has begun to run the program: until then an interrupt would end its start."""
    wire.start_thread(_wait_for_program, action)


def _wait_for_program(action):
    while _starts(sys._current_frames().get(_main_thread)):
        _sleep(0.001)
    action()


def _starts(frame):
    """Whether this is the frame of a main thread that still imports what comes before the program."""
    while frame is not None and frame.f_back is not None:
        frame = frame.f_back
    return frame is None or frame.f_globals.get('__name__') in _BEFORE_PROGRAM


def disarm():
    """From here on SIGINT is ignored. A KeyboardInterrupt that comes in between is swallowed."""
    global _armed, _turn, _users_handler
    while True:
        try:
            _turn += 1
            handler = _signal(_SIGINT, _ignore)
            if handler is not _ignore and handler is not None:
                _users_handler = handler
            _armed = False
            return
        except KeyboardInterrupt:
            continue


def _wake(turn, number):
    pause = 0.002
    while True:
        _sleep(pause)
        if _turn != turn or _wakes != number:
            return
        _kill_thread(_main_thread, _NUDGE)
        # So that they do not end before the main thread of a slow machine has come to its call, and soon are few.
        pause *= 2


def wake():
    """A signal was sent. When it came in the moment between Python's last look for signals and a system call that
    waits, the call would wait on; so the main thread is woken a few times more, which does nothing else."""
    global _wakes
    if _armed:
        _wakes += 1
        wire.start_thread(_wake, _turn, _wakes)


def rest(action, *args):
    """Does what there is to do until a cell comes. free() ends code of the user in it."""
    global _rests, _turn
    _signal(_FREE, _end_users_code)
    _turn += 1
    _rests = True
    try:
        return action(*args)
    finally:
        _rests = False
        _turn += 1


def _is_users(frame):
    name = frame.f_globals.get('__name__') or ''
    return not (frame.f_code.co_filename.startswith('<bai-repl ') or name.startswith('asyncio.') or name == 'selectors')


def _runs_users_code(frame):
    """Whether our code, or the loop that it runs, has called code of the user."""
    is_users = False
    while frame is not None:
        if _is_users(frame):
            is_users = True
        elif is_users:
            return True
        frame = frame.f_back
    return False


def _end_users_code(number, frame):
    global _turn
    _turn += 1
    if _rests and _runs_users_code(frame):
        waiting = _bai_repl.__dict__.get('waiting')
        if waiting is not None:
            waiting.about_to_free()
        raise KeyboardInterrupt


def _free(turn):
    pause = _HELD
    is_second = False
    while True:
        _sleep(pause)
        if _turn != turn:
            return
        if is_second:
            # It may wait for a program.
            _kill_group(0, _SIGINT)
        _kill_thread(_main_thread, _FREE)
        pause, is_second = pause / 2 if pause == _HELD else pause * 2, pause == _HELD


def free():
    """Ends code of the user that holds the main thread between two cells. What comes to its end soon is left alone."""
    if _rests:
        wire.start_thread(_free, _turn)


def _again(turn):
    _sleep(0.01)
    if _turn == turn:
        _kill_thread(_main_thread, _SIGINT)
        _wake(turn, _wakes)


def _was_discarded():
    """Python goes on after an exception in a destructor or a callback. An interrupt that came there is sent again."""
    if not _armed or not is_main_thread():
        return False
    wire.start_thread(_again, _turn)
    return True


def _unraisable(args, report=getattr(sys, 'unraisablehook', None)):
    if args.exc_type is not KeyboardInterrupt or not _was_discarded():
        report(args)


# Before 3.8 there is no hook, but Python says to standard error what it discards, in these pieces and others between them.
_IGNORED, _INTERRUPT = b'Exception ignored in: ', b'KeyboardInterrupt'
_is_in_report = False


def note_report(piece):
    """A piece of text on standard error, before 3.8."""
    global _is_in_report
    if piece == _IGNORED:
        _is_in_report = True
    elif _is_in_report and piece == _INTERRUPT:
        _is_in_report = False
        _was_discarded()


HAS_HOOK = hasattr(sys, 'unraisablehook')
if HAS_HOOK:
    sys.unraisablehook = _unraisable
disarm()
_users_handler = signal.default_int_handler
_signal(_NUDGE, _ignore)
