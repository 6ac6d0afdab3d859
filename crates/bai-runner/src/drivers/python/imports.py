# Where the driver's own imports come from. The user's code finds modules in the current folder, as in any Python. The
# driver, and the libraries that work for it, do not: a file there that has the name of a module would be executed without
# the user's code having asked for it. This holds at the start and later, when a traceback, a completion or a question
# for help imports more.

import os
import sys

from _frozen_importlib_external import PathFinder

_frame = sys._getframe
_getcwd = os.getcwd
_LIBRARY = os.path.dirname(os.__file__) + os.sep
_INSTALLED = ('site-packages', 'dist-packages')
# The driver's modules for which installed libraries work, not only the standard library.
_EMPLOYERS = ('<bai-repl figures>', '<bai-repl static>', '<bai-repl shell>')
# They stand between an import and its code, whoever imports: IPython works for the driver at its start, and then for the user.
_BETWEEN = ('<frozen ', '<string>', '<bai-repl driver>', '<bai-repl hooks>', '<bai-repl imports>', '<bai-repl ipython')
# The driver's functions below which code is the user's, even code of a library.
_users = set()


def runs_user_code(function):
    """A decorator for a function of the driver that calls code on behalf of the user."""
    _users.add(function.__code__)
    return function


def _folder():
    try:
        return _getcwd()
    except OSError:
        # It has been deleted.
        return ''


def _is_library(entry):
    return (entry + os.sep).startswith(_LIBRARY) or os.path.basename(entry) in _INSTALLED


def _others(entries, folder):
    """Those that are not the current folder."""
    return [entry for entry in entries if isinstance(entry, str) and os.path.isabs(entry)
            and (_is_library(entry) or os.path.realpath(entry) != folder)]


# What the user adds later comes last.
_start = _others(sys.path, _folder())


def library_path():
    """Where the driver's modules and its libraries come from."""
    entries = _others(sys.path, _folder())
    return [entry for entry in _start if entry in entries] + [entry for entry in entries if entry not in _start]


def _is_ours():
    """Whether the running import is the driver's: no code of the user is between the two."""
    frame, is_installed = _frame(1), False
    while frame is not None:
        file = frame.f_code.co_filename
        if file.startswith(_BETWEEN):
            pass
        elif file.startswith('<bai-repl '):
            return frame.f_code not in _users and (not is_installed or file in _EMPLOYERS)
        elif any(os.sep + name + os.sep in file for name in _INSTALLED):
            is_installed = True
        elif not file.startswith(_LIBRARY):
            return False
        frame = frame.f_back
    return False


class _Finder:
    """Stands before the other finders on sys.meta_path, and answers for the driver's imports alone."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        if path is not None or not _is_ours():
            return None
        for finder in sys.meta_path:
            if finder is _Finder:
                continue
            find = getattr(finder, 'find_spec', None)
            where = library_path() if finder is PathFinder else None
            spec = find(name, where, target) if find is not None else None
            if spec is not None:
                return spec
        if _frame(2).f_globals.get('__name__') == 'importlib.util':
            # It only asks, and executes nothing.
            return None
        raise ModuleNotFoundError('No module named %r' % name, name=name)


sys.meta_path.insert(0, _Finder)
