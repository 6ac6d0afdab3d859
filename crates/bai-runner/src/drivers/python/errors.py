# The report of an uncaught exception: in Python's form, without the driver's own frames.

import sys
import traceback

from _bai_repl import streams

_OURS = '<bai-repl '
_TracebackException = traceback.TracebackException
_default_hook = sys.__excepthook__


def _without_ours(report, seen):
    # An exception can be its own context indirectly.
    if report is None or id(report) in seen:
        return
    seen.add(id(report))
    if report.stack is not None:
        report.stack[:] = [frame for frame in report.stack if not frame.filename.startswith(_OURS)]
    _without_ours(report.__cause__, seen)
    _without_ours(report.__context__, seen)
    for part in getattr(report, 'exceptions', None) or ():
        _without_ours(part, seen)


def skip_ours(trace):
    """The traceback from the user's first frame on."""
    while trace is not None and trace.tb_frame.f_code.co_filename.startswith(_OURS):
        trace = trace.tb_next
    return trace


def describe(kind, value, trace):
    report = _TracebackException(kind, value, skip_ours(trace))
    _without_ours(report, set())
    lines = list(report.format())
    if not report.stack and lines and lines[0].startswith('Traceback'):
        # No code of the user was running: a syntax error, or an error in the display of a value.
        del lines[0]
    return ''.join(lines)


def report(kind, value, trace):
    """Writes an uncaught exception to standard error, through the user's sys.excepthook if there is one."""
    limit = sys.getrecursionlimit()
    if limit < 1000:
        sys.setrecursionlimit(1000)
    try:
        hook = sys.excepthook
        if hook is not _default_hook and callable(hook):
            try:
                hook(kind, value, skip_ours(trace))
                return
            except Exception:
                streams.complain('Error in sys.excepthook:\n' + describe(*sys.exc_info()) + '\nOriginal exception was:\n')
        try:
            text = describe(kind, value, trace)
        except Exception as error:
            text = '%s (and it could not be described: %s)\n' % (kind.__name__, type(error).__name__)
        streams.complain(text)
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
