# The shell that runs the cells of the session: IPython's if the interpreter has it, else our own in `cells`. It is chosen once,
# before the first cell. Scripts are programs, and no shell runs them.

import os

from _bai_repl import cells, imports, load, streams, wire

# The first release with all that the module `ipython` uses.
_OLDEST = (7, 16)
_INSTALL = 'install it with `pip install ipython`, or set python.shell to auto'


def _version():
    """The version of IPython, found without importing anything."""
    for folder in imports.library_path():
        try:
            with open(os.path.join(folder, 'IPython', 'core', 'release.py'), encoding='utf-8') as release:
                lines = [line.partition('#')[0].partition('=') for line in release]
        except OSError:
            continue
        numbers = {name.strip(): number.strip() for name, _, number in lines}
        try:
            return tuple(int(numbers['_version_' + part]) for part in ('major', 'minor', 'patch'))
        except (KeyError, ValueError):
            return ()
    return ()


def _choose():
    """The name of IPython, if it is the shell."""
    wanted = os.environ.pop('BAI_REPL_PYTHON_SHELL', 'auto')
    version = _version() if wanted != 'plain' else ()
    if version >= _OLDEST:
        return 'IPython ' + '.'.join(map(str, version))
    if wanted == 'ipython':
        why = 'has IPython %s, which is too old' % '.'.join(map(str, version)) if version else 'has no IPython'
        wire.say_last({'say': 'unable', 'why': why, 'hint': _INSTALL})
        raise SystemExit(1)
    return None


class _Shell:
    def __init__(self):
        self.ipython = None
        # Why there is no IPython although it was chosen.
        self.fault = None
        self.is_settled = name is None

    def settle(self):
        """Loads IPython, which takes a while."""
        if self.is_settled:
            return
        self.is_settled = True
        try:
            ipython = load('ipython')
            ipython.start()
            self.ipython = ipython
        except BaseException as error:
            load('patches').replace_display()
            self.fault = '%s does not start (%s: %s); this session has the plain shell\n' % (name, type(error).__name__, error)


name = _choose()
_shell = _Shell()


def is_ipython():
    """Whether IPython is the shell, or will be."""
    return name is not None and _shell.fault is None


def prepare():
    """Work for the time before the first cell."""
    _shell.settle()


def run(source, started):
    """Runs a cell; returns its exit code. Calls started() when the cell can be interrupted."""
    _shell.settle()
    if _shell.fault is not None:
        streams.complain(_shell.fault)
        _shell.fault = None
    runner = cells if _shell.ipython is None else _shell.ipython
    return runner.run(source, started)


def suggest(code, post):
    """The start of the replaced text in `code`, in code points, and the replacements in the order to show them."""
    if _shell.ipython is not None:
        found = _shell.ipython.suggest(code, post)
        if found is not None:
            return found
    return load('suggest').suggest(code, post)
