# Scripts: code that behaves as a file that Python itself runs, in the session's namespace.

import io
import os
import sys

from _bai_repl import cells, errors, sources, streams

# The names of the files that Python's own tracebacks have.
_FILES = {'-c': '<string>', '-': '<stdin>', '': '<stdin>'}


def _decode(text):
    """A text of the runner, in which a byte that is not UTF-8 is a character of its own, as Python writes it."""
    return ''.join(chr(ord(c) - 0x10ff00 + 0xdc00) if ord(c) >= 0x10ff80 else c for c in text)


def _of_its_encoding(source):
    """The source as bytes, if Python has to read its encoding from its first lines."""
    if len(source) == len(source.encode('utf-8', 'replace')):
        return source
    plain = _decode(source)
    if plain != source or 'coding' in ''.join(source.split('\n', 2)[:2]):
        return plain.encode('utf-8', 'surrogateescape')
    return source


# Whether a script runs, which is a program and no part of a session.
is_running = False
# How many collections of garbage there were before it began, if Python itself runs it.
_collections = None


def _count_collections():
    import gc
    return sum(generation['collections'] for generation in gc.get_stats())


def begin_program(script):
    """Python itself is about to run this script."""
    global is_running, _collections
    is_running, _collections = True, _count_collections()
    if not streams.ARE_PYTHONS:
        streams.on_error = errors.hide_ours
        streams.begin_script(script['terminal'], script.get('tty', False))
    import atexit
    atexit.register(_end_program)


def _forget_names():
    """Files that the script has not closed are written now, as when the interpreter ends: private names go first."""
    import gc
    # While there was no collection, all that a script has made is in the youngest generation.
    is_young = _collections == _count_collections()
    # Python does it too. It sorts a file before its buffer and its descriptor: in a cycle, they are closed in this order later.
    gc.collect(0 if is_young else 2)
    names = cells.main.__dict__
    for is_due in (lambda name: name[:1] == '_' and name[:2] != '__', lambda name: name != '__builtins__'):
        for name in [name for name in names if is_due(name)]:
            names[name] = None
    # What is left is in the next generation by now.
    gc.collect(1 if is_young and sys.version_info < (3, 14) else 2)


def _end_program():
    for action in cells.at_end:
        try:
            action()
        except Exception:
            sys.excepthook(*sys.exc_info())
    if streams.ARE_PYTHONS:
        # Python deletes the names of the script while there are builtins for what that calls, if nobody else has them.
        cells.main = None
        return
    value = getattr(sys, 'last_value', None)
    if value is not None:
        errors.name_terminal(type(value), value)
    # While our streams are whole.
    _forget_names()
    streams.flush()


def finish():
    """What Python does at its end, while our streams are whole."""
    threading = sys.modules.get('threading')
    if threading is not None:
        threading._shutdown()
        # Python calls it once more, and 3.6 does not expect that.
        threading._shutdown = lambda: None
    import atexit
    atexit._run_exitfuncs()
    _forget_names()
    streams.flush()


class Script:
    def __init__(self, script):
        self._name = _decode(script['name'])
        self._path = _decode(script['path'] or '')
        self._arguments = [_decode(argument) for argument in script['args']]
        self._terminal, self._tty = script['terminal'], script.get('tty', False)
        self._last = script['last']

    def run(self, source, started):
        """Runs the script; returns its exit code."""
        before = sys.stdin, sys.argv, sys.path[:1]
        is_folder = self._path[-1:] == '/'
        is_here = (os.path.isdir if is_folder else os.path.isfile)(self._path)
        # A folder, or an archive, which has this mark near its end.
        has_main = is_here and (is_folder or 'PK\5\6' in source)
        if is_here and sys.version_info < (3, 9) and os.path.exists(self._name) and os.path.samefile(self._name, self._path):
            # Python did not make it absolute.
            self._path = self._name
        sys.argv = [self._name] + self._arguments
        if has_main:
            sys.path[:1] = [self._path.rstrip('/') or '/']
        elif is_here:
            cells.main.__dict__['__file__'] = self._path
            # The modules of a link's target are beside the target.
            sys.path[:1] = [os.path.dirname(os.path.realpath(self._path))]
        if hasattr(sys, 'orig_argv'):
            # Programs that start themselves again use it.
            sys.orig_argv = [sys.executable] + self._command(source)
        filename = self._path if is_here else _FILES.get(self._name, self._name)
        if not is_here:
            sources.keep(filename, source)
        if sys.version_info < (3, 14):
            cells.main.__dict__.setdefault('__annotations__', {})
        if has_main:
            action = cells.run_main
        elif is_folder:
            action = self._not_here
        else:
            program = _of_its_encoding(source)
            action = lambda: cells.run_source(program, filename)
        streams.begin_script(self._terminal, self._tty)
        global is_running
        is_running = True
        try:
            # The system takes the last byte.
            return cells.run_script(action, started, finish if self._last else None) & 0xff
        finally:
            if not self._last:
                is_running = False
                streams.end_script()
                sys.stdin, sys.argv, sys.path[:1] = before
                cells.main.__dict__.pop('__file__', None)

    def _not_here(self):
        raise SystemExit("can't run '%s': the folder is not on the machine of the session" % self._name)

    def _command(self, source):
        """The arguments with which Python itself would run the script."""
        return (['-c', source] if self._name == '-c' else [self._name or '-']) + self._arguments
