# The window in which a person sees the output: its size, and whether the standard streams count as a terminal. They are pipes,
# so we answer for the terminal in this process, and children learn the size from variables. The runner says which; a value of
# the user stays.

import _signal as signal
import os
import stat
import sys

from _bai_repl import hooks

_fstat = os.fstat
_real_size = os.get_terminal_size
_real_isatty = os.isatty
_environ = os.environ
_ours = {}
_size = None
# The variables for colours, while there are any.
_colors = {}
# Only for children. Code of this process sees a terminal, or writes to a file that is none; and with a size from a variable,
# rich and others do not notice another size later.
_FOR_CHILDREN = ('COLUMNS', 'LINES', 'FORCE_COLOR', 'CLICOLOR_FORCE')
_COLORS = _FOR_CHILDREN[2:]


def _place(number):
    try:
        status = _fstat(number)
        return status.st_dev, status.st_ino
    except OSError:
        return None


# Where standard output and standard error lead. User code may lead them elsewhere.
_START = {number: _place(number) for number in (1, 2)}


def change(columns, rows, variables):
    """The window of the next cell, or a change during this one. Called in the thread of messages."""
    global _size, _colors
    _colors = {name: variables[name] for name in _COLORS if variables.get(name) is not None}
    before, _size = _size, None if columns is None else os.terminal_size((columns, rows))
    for name, value in variables.items():
        _set(name, value)
    # Programs that see a terminal would start a pager, which wants the keyboard.
    _set('PAGER', None if _size is None else 'cat')
    _note_polars()
    if before != _size and before is not None and _size is not None:
        # As a terminal does. Without a handler the signal has no effect.
        os.kill(os.getpid(), signal.SIGWINCH)


def _set(name, value):
    if name in _FOR_CHILDREN:
        if name in _environ:
            return
        if value is not None:
            os.putenv(name, value)
        else:
            os.unsetenv(name)
        return
    if _environ.get(name, 'dumb') not in ('dumb', _ours.get(name)):
        return
    if value is None:
        _environ.pop(name, None)
    else:
        _environ[name] = _ours[name] = value


def environment_at_terminal():
    """The variables for a program at a terminal of its own."""
    return {name: value for name, value in _environ.items() if name != 'PAGER' or value != _ours.get(name)}


def has_colors():
    """Whether programs are to print in colours."""
    return _environ.get(_COLORS[0], _colors.get(_COLORS[0], '0')) not in ('', '0')


def hide_colors(hide):
    """Hides the wish for colours from the next child, whose output a program reads, or shows it again."""
    for name, value in _colors.items():
        _set(name, None if hide else value)


def is_seen(number):
    """Whether a person sees what is written to a standard stream, or types what is read from it."""
    if _size is None:
        return False
    place = _place(number)
    return place is not None and (number == 0 and stat.S_ISFIFO(_fstat(0).st_mode) or place == _START.get(number))


def _get_terminal_size(fd=None):
    """Return the size of the terminal window as (columns, lines)."""
    if _size is not None and (fd is None or isinstance(fd, int) and 0 <= fd <= 2 and is_seen(fd)):
        return _size
    return _real_size() if fd is None else _real_size(fd)


def _isatty(fd):
    """Return True if the fd is connected to a terminal."""
    return _real_isatty(fd) or isinstance(fd, int) and 0 <= fd <= 2 and is_seen(fd)


_real_ioctl = None


def real_ioctl():
    """The function of fcntl. Its module is loaded when somebody needs it."""
    if _real_ioctl is None:
        import fcntl
        return _real_ioctl or fcntl.ioctl
    return _real_ioctl


def _fcntl(module):
    global _real_ioctl
    real = _real_ioctl = module.ioctl

    from termios import TIOCGWINSZ

    def ioctl(fd, request, arg=0, mutate_flag=True):
        # TIOCGWINSZ, whose answer has two bytes for each of rows, columns and their pixels.
        number = fd if isinstance(fd, int) else fd.fileno()
        if request != TIOCGWINSZ or _size is None or isinstance(arg, int) or not (0 <= number <= 2 and is_seen(number)):
            return real(fd, request, arg, mutate_flag)
        answer = b''.join(side.to_bytes(2, sys.byteorder) for side in (_size.lines, _size.columns, 0, 0))
        if isinstance(arg, (bytes, str)):
            return answer[:len(arg)]
        view = memoryview(arg).cast('B')
        view[:] = answer[:len(view)]
        return 0

    ioctl.__doc__ = real.__doc__
    module.ioctl = ioctl


def _note_polars(module=None):
    # It asks only a real terminal for the width; this is its own variable.
    if 'polars' in sys.modules:
        _set('POLARS_TABLE_WIDTH', None if _size is None else str(_size.columns))


def _pydoc(module):
    # A pager would want the keyboard.
    module.pager = lambda text, title='': (getattr(module, 'plain_pager', None) or module.plainpager)(text)


def install():
    os.get_terminal_size = _get_terminal_size
    os.isatty = _isatty
    hooks.when_imported('fcntl', _fcntl)
    hooks.when_imported('polars', _note_polars)
    hooks.when_imported('pydoc', _pydoc)
