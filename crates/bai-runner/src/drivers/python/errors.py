# The report of an uncaught exception: in Python's form, without the driver's own frames.

import errno
import sys

import _bai_repl
from _bai_repl import streams, window

_OURS = '<bai-repl '
_default_hook = sys.__excepthook__
_NO_TERMINAL = (errno.ENOTTY, errno.ENXIO)
_IN_CELL = '[a cell has no terminal of its own; :pty COMMAND runs a program in one]\n'
_IN_SCRIPT = '[a script has no terminal of its own here; the command pty opens one in a session, and the script runs there as usual]\n'
# As it is before the user can change it. The module is loaded at its first use: that takes longer than all of ours together.
_TracebackException = None


def remember(traceback):
    global _TracebackException
    if _TracebackException is None:
        _TracebackException = traceback.TracebackException


def _stacks(report, seen):
    """The stacks of an exception and of those that belong to it."""
    # An exception can be its own context indirectly.
    if report is None or id(report) in seen:
        return
    seen.add(id(report))
    if report.stack is not None:
        yield report.stack
    for part in (report.__cause__, report.__context__, *(getattr(report, 'exceptions', None) or ())):
        yield from _stacks(part, seen)


def _format(report):
    try:
        return list(report.format())
    except Exception:
        # Without the marks below the code: Python reads it for them with the module ast, and the user's own module may
        # have that name.
        for stack in _stacks(report, set()):
            for frame in stack:
                frame.colno = frame.end_colno = None
        return list(report.format())


def _is_ours(trace):
    return trace.tb_frame.f_code.co_filename.startswith(_OURS)


def without_ours(trace):
    """The traceback without our frames: those at its start, and those of a question or a program that was interrupted."""
    while trace is not None and _is_ours(trace):
        trace = trace.tb_next
    entries, entry = [], trace
    while entry is not None:
        entries.append(entry)
        entry = entry.tb_next
    # Before 3.7 no traceback can be made.
    if sys.version_info < (3, 7) or not any(_is_ours(entry) for entry in entries):
        return trace
    trace, make = None, type(entries[0])
    for entry in reversed(entries):
        if not _is_ours(entry):
            trace = make(trace, entry.tb_frame, entry.tb_lasti, entry.tb_lineno)
    return trace


def describe(kind, value, trace):
    if _TracebackException is None:
        import traceback
        remember(traceback)
    report = _TracebackException(kind, value, without_ours(trace))
    for stack in _stacks(report, set()):
        stack[:] = [frame for frame in stack if not frame.filename.startswith(_OURS)]
    lines = _format(report)
    if not report.stack and lines and lines[0].startswith('Traceback'):
        # No code of the user was running: a syntax error, or an error in the display of a value.
        del lines[0]
    return ''.join(lines)


def _wants_terminal(kind, value):
    """Whether the exception says that there is no terminal."""
    if isinstance(value, OSError):
        return value.errno in _NO_TERMINAL
    return kind.__name__ == 'error' and kind.__module__ in ('termios', '_curses', 'curses')


def name_terminal(kind, value):
    """Says where there is a terminal, after an exception that says that there is none."""
    # Only where a person looks is there one to miss.
    if window.is_seen(2) and _wants_terminal(kind, value):
        scripts = _bai_repl.__dict__.get('scripts')
        streams.complain(_IN_SCRIPT if scripts is not None and scripts.is_running else _IN_CELL)


def hide_ours():
    """Our frames, which write for a program, are not in the report of its error."""
    if sys.excepthook is _default_hook:
        sys.excepthook = _report_without_ours


def _report_without_ours(kind, value, trace):
    sys.excepthook = _default_hook
    if sys.version_info < (3, 7):
        streams.complain(describe(kind, value, trace))
        return
    last = trace
    while last.tb_next is not None and not last.tb_next.tb_frame.f_code.co_filename.startswith(_OURS):
        last = last.tb_next
    last.tb_next = None
    _default_hook(kind, value.with_traceback(trace), trace)


def report(kind, value, trace):
    """Writes an uncaught exception to standard error, through the user's sys.excepthook if there is one."""
    limit = sys.getrecursionlimit()
    if limit < 1000:
        sys.setrecursionlimit(1000)
    try:
        hook = sys.excepthook
        if hook is not _default_hook and callable(hook):
            try:
                hook(kind, value, without_ours(trace))
                return
            except Exception:
                streams.complain('Error in sys.excepthook:\n' + describe(*sys.exc_info()) + '\nOriginal exception was:\n')
        try:
            text = describe(kind, value, trace)
        except Exception as error:
            text = '%s (and it could not be described: %s)\n' % (kind.__name__, type(error).__name__)
        streams.complain(text)
        name_terminal(kind, value)
    finally:
        if limit < 1000:
            sys.setrecursionlimit(limit)


def exit_code(value):
    """The exit code of SystemExit: its number, 0 without a value, 1 with a message for any other value."""
    code = value.code
    if code is None:
        return 0
    if isinstance(code, int):
        return max(-2 ** 31, min(int(code), 2 ** 31 - 1))
    streams.complain('%s\n' % (code,))
    return 1
