# exit() and quit() in a cell of several statements, and other code that raises SystemExit. The prompt itself knows a line that is only that.

import builtins
import sys

import _bai_repl
from _bai_repl import cells, display, errors, streams, window, wire

_ONLY_THE_CELL = 'exit() in a function ends the cell alone; exit at the prompt leaves.\n'
_SILENT = 'SystemExit ends the cell alone; exit at the prompt leaves.\n'
# Whether the exception that comes next has been explained.
_is_known = False


def ended_by(error):
    """The exit code of a cell that SystemExit has ended. To a person, one that says nothing itself is explained."""
    global _is_known
    code = errors.exit_code(error)
    if code == 0 and not _is_known and window.is_seen(2) and not wire.is_alone():
        streams.complain(_SILENT)
    _is_known = False
    return code


def leave(frame, code):
    """Ends the cell, and then the prompt if a statement of the cell has asked for it, not a function."""
    if frame.f_code.co_name == '<module>' and frame.f_globals is cells.main.__dict__:
        display.leave()
    else:
        streams.complain(_ONLY_THE_CELL)
    global _is_known
    _is_known = True
    raise SystemExit(code)


class _Exit:
    def __init__(self, original):
        self._original = original

    def __repr__(self):
        return repr(self._original)

    def __call__(self, code=None):
        scripts = _bai_repl.__dict__.get('scripts')
        if scripts is not None and scripts.is_running:
            self._original(code)
        leave(sys._getframe(1), code)


def install():
    for name in ('exit', 'quit'):
        if name in builtins.__dict__:
            builtins.__dict__[name] = _Exit(builtins.__dict__[name])
