# asyncio in a session: one event loop, so that a cell can use the objects of an earlier one. It runs while a cell waits, and
# between two cells, so that tasks and timers go on.

import asyncio
import os
import sys
import types
import weakref

from _bai_repl import cells, errors, imports, streams

_FOLDER = os.path.dirname(asyncio.__file__) + os.sep
_HELD = 'Interrupted, because it held the session between two cells:\n'
_loop = None
_is_between = False
# Tasks that have failed while a cell ran, which may still look at them.
_failed = []


def _current():
    """The loop that is set; none is made."""
    if sys.version_info >= (3, 14):
        try:
            return asyncio.events.get_event_loop()
        except RuntimeError:
            return None
    return getattr(getattr(asyncio.get_event_loop_policy(), '_local', None), '_loop', None)


def session_loop():
    """The loop of the session, which is the current one from now on."""
    global _loop
    if _loop is None or _loop.is_closed():
        current = _current()
        _loop = asyncio.new_event_loop() if current is None or current.is_closed() else current
    asyncio.set_event_loop(_loop)
    return _loop


@imports.runs_user_code
def run(coroutine):
    """Runs a cell's coroutine to its end; a KeyboardInterrupt cancels it first."""
    loop = session_loop()
    task = loop.create_task(coroutine)
    try:
        return loop.run_until_complete(task)
    except KeyboardInterrupt as error:
        trace = error.__traceback__
        if not task.done():
            trace = _place(coroutine)
            task.cancel()
            try:
                loop.run_until_complete(task)
            except asyncio.CancelledError:
                pass
        raise error.with_traceback(_of_user(trace)) from None


def _place(coroutine):
    """Where a coroutine waits, as a traceback."""
    frames = []
    while coroutine is not None:
        frame = getattr(coroutine, 'cr_frame', None) or getattr(coroutine, 'gi_frame', None)
        if frame is None or frame.f_code.co_filename.startswith(_FOLDER):
            break
        frames.append(frame)
        coroutine = getattr(coroutine, 'cr_await', None) or getattr(coroutine, 'gi_yieldfrom', None)
    trace = None
    if sys.version_info >= (3, 7):
        for frame in reversed(frames):
            trace = types.TracebackType(trace, frame, frame.f_lasti, frame.f_lineno)
    return trace


def _of_user(trace):
    """The traceback from the cell on, without the loop that runs it."""
    start = trace
    while start is not None and start.tb_frame.f_globals is not cells.main.__dict__:
        start = start.tb_next
    return start or trace


def watch(task):
    """Reports an exception of this task between two cells, unless somebody has looked at it."""
    task.add_done_callback(_on_done)
    return task


def _on_done(task):
    if not task.cancelled() and getattr(task, '_log_traceback', False):
        # Who awaits it looks at it in the same turn.
        task.get_loop().call_soon(_check, weakref.ref(task))


def _check(reference):
    if _is_between:
        _report(reference)
    else:
        _failed.append(reference)


def _report(reference):
    task = reference()
    if task is None or not getattr(task, '_log_traceback', False):
        return
    error = task.exception()
    name = task.get_name() if hasattr(task, 'get_name') else repr(task)
    streams.complain('Exception in %s:\n%s' % (name, errors.describe(type(error), error, error.__traceback__)))


def about_to_free():
    """The task that runs now, if there is one, is about to be ended. Its end is told by go_on()."""
    try:
        task = getattr(asyncio, 'current_task', None) or asyncio.Task.current_task
        task().add_done_callback(_look_at_interrupt)
    except (RuntimeError, AttributeError):
        # There is none.
        pass


def _look_at_interrupt(task):
    if not task.cancelled() and isinstance(getattr(task, '_exception', None), KeyboardInterrupt):
        task.exception()


def can_go_on():
    """Whether there is a loop to run between two cells."""
    return _loop is not None and not _loop.is_closed() and not _loop.is_running()


@imports.runs_user_code
def go_on():
    """Runs the loop between two cells, until stop() is called."""
    global _is_between
    loop = session_loop()
    while _failed:
        _report(_failed.pop(0))
    _is_between = True
    try:
        loop.run_forever()
    except KeyboardInterrupt as error:
        streams.complain(_HELD + errors.describe(type(error), error, _of_user(error.__traceback__)))
    finally:
        _is_between = False
        streams.flush()


def stop():
    """Lets go_on() return; called in the thread of messages."""
    loop = _loop
    if loop is not None:
        try:
            loop.call_soon_threadsafe(_stop, loop)
        except RuntimeError:
            # It is closed.
            pass


def _stop(loop):
    # A cell may run it by now.
    if _is_between:
        loop.stop()
