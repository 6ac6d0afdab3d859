# Compiling and running cells in the user's __main__.

import builtins
import sys

from _bai_repl import display, errors, imports, interrupts, load, sources, streams

_compile = compile
_exec = exec
_eval = eval
_ONLY_AST = 0x400
_TOP_LEVEL_AWAIT = 0x2000 if sys.version_info >= (3, 8) else 0
_COROUTINE = 0x80

main = type(sys)('__main__')
main.__dict__['__builtins__'] = builtins


# The exit code of Python itself after a KeyboardInterrupt: that of a process that SIGINT has ended.
_INTERRUPTED = 130


def _future_flags():
    """The flags of the compiler for features that a cell has switched on. Scripts do not need them."""
    import __future__
    flags = 0
    for name in __future__.all_feature_names:
        flags |= getattr(__future__, name).compiler_flag
    return flags


class _Cells:
    def __init__(self):
        self.count = 0
        self.flags = _TOP_LEVEL_AWAIT
        # The cell that each class was defined in, by the class's qualified name.
        self.classes = {}

    def compile(self, source):
        """The code objects of a cell: its statements, and separately its last expression, whose value is shown."""
        import _ast
        self.count += 1
        display.results.cell = self.count
        filename = '<cell %d>' % self.count
        sources.keep(filename, source)
        if '!' in source or '%' in source or '?' in source:
            source = load('commands').translate(source)
        tree = _compile(source, filename, 'exec', self.flags | _ONLY_AST, True)
        self.note_classes(tree.body, filename)
        parts = []
        if tree.body and type(tree.body[-1]).__name__ == 'Expr' and not _is_silenced(source):
            last = tree.body.pop()
            parts = [(_ast.Interactive([last]), 'single')]
        if tree.body:
            parts.insert(0, (tree, 'exec'))
        codes = [_compile(part, filename, kind, self.flags, True) for part, kind in parts]
        for code in codes:
            self.flags |= code.co_flags & _future_flags()
        return codes

    def note_classes(self, body, filename, prefix=''):
        """Remembers the cell of each class in it."""
        for node in body:
            if type(node).__name__ == 'ClassDef':
                self.classes[prefix + node.name] = filename
                self.note_classes(node.body, filename, prefix + node.name + '.')


def _is_silenced(source):
    """Whether the cell ends in a semicolon."""
    if ';' not in source.rstrip().rpartition('\n')[2]:
        return False
    import io
    import tokenize
    last = None
    try:
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            if token[0] in (tokenize.OP, tokenize.NAME, tokenize.NUMBER, tokenize.STRING):
                last = token[1]
    except Exception:
        return False
    return last == ';'


cells = _Cells()
# Other work at the end of every cell.
at_end = []


@imports.runs_user_code
def _run_code(code):
    value = _eval(code, main.__dict__)
    if code.co_flags & _COROUTINE:
        # Imported at the first use, because it imports asyncio.
        value = load('waiting').run(value)
    return value


def run_text(source, filename):
    """Runs an expression or statements in the session's namespace; returns the value of the expression."""
    try:
        code = _compile(source, filename, 'eval', cells.flags, True)
    except SyntaxError:
        code = _compile(source, filename, 'exec', cells.flags, True)
    sources.keep(filename, source + '\n')
    return _run_code(code)


def run(source, started):
    """Runs a cell; returns its exit code. Calls started() when the cell can be interrupted."""
    return run_to_end(lambda: _run_source(source, started))


def run_script(action, started, finish):
    """Runs a script as a function; returns its exit code. Calls finish(), if there is one, after its last line."""
    def run():
        interrupts.arm()
        started()
        action()

    code = run_to_end(run, _INTERRUPTED)
    if finish is not None:
        _guarded(lambda: _run_action(finish))
        streams.flush()
    return code


def run_to_end(action, interrupted=1):
    """Runs a cell as a function, which gives its exit code if it fails without an exception, and the work at its end.
    `interrupted` is the exit code after a KeyboardInterrupt."""
    code = _guarded(action, interrupted)
    for action in at_end:
        # An error there is the cell's error.
        code = _guarded(lambda: _run_action(action)) or code
    streams.flush()
    return code


def _run_action(action):
    interrupts.arm()
    action()


def _run_source(source, started):
    interrupts.arm()
    started()
    for code in cells.compile(source):
        _run_code(code)


def run_main():
    """Runs the module __main__ of the folder or archive that is first on sys.path, as Python itself does."""
    import runpy
    _run_module(runpy)


@imports.runs_user_code
def _run_module(runpy):
    runpy._run_module_as_main('__main__', False)


def run_source(source, filename):
    """Runs the source text of a script."""
    try:
        code = _compile(source, filename, 'exec', _TOP_LEVEL_AWAIT, True)
    except SyntaxError:
        if isinstance(source, bytes):
            raise
        # The lines that begin with a sign are ours, as in a cell.
        translated = load('commands').translate(source)
        if translated == source:
            raise
        code = _compile(translated, filename, 'exec', _TOP_LEVEL_AWAIT, True)
    _run_code(code)


def _guarded(action, interrupted=1):
    """Runs user code, which can be interrupted, and reports its exception."""
    kind = value = trace = None
    try:
        try:
            return action() or 0
        finally:
            interrupts.disarm()
    except SystemExit as error:
        return load('leaving').ended_by(error)
    except BaseException:
        kind, value, trace = sys.exc_info()
    if 'bdb' in sys.modules and load('debugging').is_quit(kind):
        return 1
    streams.repair()
    sys.last_type, sys.last_value, sys.last_traceback = kind, value, errors.without_ours(trace)
    if sys.version_info >= (3, 12):
        sys.last_exc = value
    errors.report(kind, value, trace)
    return interrupted if issubclass(kind, KeyboardInterrupt) else 1
