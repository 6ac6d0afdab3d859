# IPython's shell as the shell of the session. IPython transforms cells, runs magics, keeps the history and formats tracebacks.
# The driver's other modules do the rest, as for our own shell: streams, questions, interrupts, figures, the display. The shell
# writes no files: it has no profile, and its history is that of this session.

import builtins
import contextlib
import inspect
import os
import re
import signal
import sys

from _bai_repl import cells, display, errors, interrupts, leaving, load, streams, window

_limit = sys.getrecursionlimit()
try:
    from IPython.core import interactiveshell, page
    from IPython.core.autocall import ExitAutocall
    from IPython.core.compilerop import CachingCompiler
    from IPython.core.events import EventManager
    from IPython.core.interactiveshell import InteractiveShell
    from IPython.core.profiledir import ProfileDir
    from IPython.utils.text import SList
    from traitlets import Type, default, observe
    from traitlets.config import Config
finally:
    # jedi, which it imports, raises the limit; that is for the user to decide.
    sys.setrecursionlimit(_limit)

history, magics, output, store = [load('ipython_' + name) for name in ('history', 'magics', 'output', 'store')]

_MAGIC = re.compile(r'\s*(?:[\w.,\s]+=\s*)?[%!]')
_ATTRIBUTE = re.compile(r'[\w)\]]\.\w*$')
_KEY = re.compile(r'[\w)\]]\[[^\]]*$')
# The name of a character: \alpha becomes α.
_CHARACTER = re.compile(r'\\[^\W\d_]\w*$')


class _Compiler(CachingCompiler):
    """Remembers the cells of classes. The names of cells are IPython's own: other libraries know a cell by them."""

    def ast_parse(self, source, filename='<unknown>', symbol='exec'):
        tree = super().ast_parse(source, filename, symbol)
        cells.cells.note_classes(getattr(tree, 'body', ()), filename)
        return tree


class _Exit(ExitAutocall):
    def __call__(self, code=None):
        leaving.leave(sys._getframe(1), code)


class _NoProfile(ProfileDir):
    """A profile without files."""

    @observe('location')
    def _location_changed(self, change):
        pass

    def check_dirs(self, change=None):
        pass


# Releases before 3.11 have no groups of exceptions.
_Group = getattr(builtins, 'BaseExceptionGroup', ())


def _has_group(value):
    seen = set()
    while value is not None and id(value) not in seen:
        if isinstance(value, _Group):
            return True
        seen.add(id(value))
        value = value.__cause__ or value.__context__
    return False


def _users_part(trace):
    """A traceback without IPython's frames before the cell."""
    while trace is not None and trace.tb_frame.f_globals.get('__name__', '').startswith('IPython.'):
        trace = trace.tb_next
    return trace


def _is_of_callback(trace):
    """Whether a callback of an event has raised this, such as what reloads modules before a cell."""
    return trace is not None and trace.tb_frame.f_code is EventManager.trigger.__code__


class Shell(InteractiveShell):
    """The one shell of the session, which get_ipython() returns."""

    displayhook_class = Type(output.DisplayHook)
    display_pub_class = Type(output.Publisher)

    def __init__(self, **options):
        # The exit code of the cell, once it is known.
        self.code = None
        self._cancelled = None
        # An interrupt that has been shown, and is on its way out of the cell.
        self._callback_interrupt = None
        # The colours for a window that shows none.
        self._other_colors = 'nocolor'
        self._has_colors = True
        super().__init__(**options)
        self.compile = _Compiler()
        self.loop_runner = self._run_loop

    @property
    def debugger_cls(self):
        # Not the one for notebooks: Ctrl-C ends it, and it stops at nothing from then on.
        from IPython.core.debugger import Pdb
        return Pdb

    @observe('ipython_dir')
    def _ipython_dir_changed(self, change):
        # The folder is not made; extensions there are found.
        pass

    def init_virtualenv(self):
        # The session's environment is complete.
        pass

    def init_history(self):
        self.history_manager = history.History(shell=self, parent=self)
        self.configurables.append(self.history_manager)

    @default('exiter')
    def _exiter_default(self):
        return _Exit(self)

    def ask_exit(self):
        display.leave()

    def set_next_input(self, s, replace=False):
        display.next_input(s, replace)

    def enable_gui(self, gui=None):
        if gui not in (None, 'inline', 'agg'):
            print('There is no window here. Figures are shown as pictures.')

    @contextlib.contextmanager
    def _tee(self, channel):
        # Newer releases would keep all output of the session in memory.
        yield

    def system(self, cmd):
        load('programs').run(self.var_expand(cmd, depth=1))

    system_piped = system_raw = system

    def getoutput(self, cmd, split=True, depth=0):
        text = load('programs').output(self.var_expand(cmd, depth=depth + 1))
        return SList(text.splitlines()) if split else text

    def run_cell_magic(self, *args, **options):
        """An interrupt ends the cell, also if the magic hides it."""
        if not interrupts.is_main_thread():
            return super().run_cell_magic(*args, **options)
        was_interrupted = []
        before = signal.getsignal(signal.SIGINT)

        def note(number, frame):
            was_interrupted.append(True)
            before(number, frame)

        signal.signal(signal.SIGINT, note if callable(before) else before)
        try:
            return super().run_cell_magic(*args, **options)
        finally:
            if signal.getsignal(signal.SIGINT) is note:
                signal.signal(signal.SIGINT, before)
            if was_interrupted and not self.code:
                raise KeyboardInterrupt from None

    # ---- errors

    def _get_exc_info(self, exc_tuple=None):
        kind, value, trace = super()._get_exc_info(exc_tuple)
        # Also for libraries that show tracebacks in IPython's place, and for %debug.
        trace = sys.last_traceback = errors.without_ours(trace)
        return kind, value, trace

    def has_shown(self, error):
        """Whether this is an interrupt that has been shown already."""
        return error is self._callback_interrupt

    def showtraceback(self, exc_tuple=None, *args, **options):
        kind, value, trace = exc_tuple or sys.exc_info()
        if kind is None:
            # The last one again.
            super().showtraceback(exc_tuple, *args, **options)
        elif self.has_shown(value):
            pass
        elif issubclass(kind, SystemExit):
            self.code = leaving.ended_by(value)
            sys.last_type, sys.last_value, sys.last_traceback = kind, value, trace
        elif 'bdb' in sys.modules and load('debugging').is_quit(kind):
            self.code = 1
        elif self._awaits and issubclass(kind, sys.modules['asyncio'].CancelledError):
            # The cause may be an interrupt, which comes next.
            self._cancelled = kind, value, trace
        else:
            self.code = self.code or 1
            if issubclass(kind, KeyboardInterrupt) and self._cancelled is not None:
                exc_tuple, self._cancelled = (kind, value, self._cancelled[2]), None
            if _has_group(value):
                # IPython does not show the exceptions in it. This notes it for a debugger.
                self._get_exc_info(exc_tuple)
                streams.complain(errors.describe(kind, value, _users_part(trace)))
            else:
                super().showtraceback(exc_tuple, *args, **options)
            if issubclass(kind, KeyboardInterrupt) and _is_of_callback(trace):
                # IPython would go on with the cell.
                self._callback_interrupt = value
                raise value

    def showsyntaxerror(self, *args, **options):
        if sys.exc_info()[0] is not None:
            self.code = self.code or 1
        super().showsyntaxerror(*args, **options)

    def _showtraceback(self, etype, evalue, stb):
        streams.complain(self.InteractiveTB.stb2text(stb) + '\n')

    _awaits = False

    def _run_loop(self, coroutine):
        self._awaits = True
        try:
            return load('waiting').run(coroutine)
        finally:
            self._awaits = False

    _cell = None

    def run_cell_async(self, *args, **options):
        self._cell = super().run_cell_async(*args, **options)
        return self._cell

    def give_up_cell(self):
        """An interrupt has met the cell. If that was before it began, Python would say that nobody has awaited it."""
        if self._cell is not None and inspect.getcoroutinestate(self._cell) == inspect.CORO_CREATED:
            self._cell.close()

    def run_source(self, source):
        """Runs a cell; returns its exit code."""
        self.code = self._callback_interrupt = None
        if self._has_colors != window.has_colors():
            self._has_colors = not self._has_colors
            colors, self._other_colors = self._other_colors, self.colors
            self.run_line_magic('colors', colors)
        result = self.run_cell(source, store_history=True)
        if self._cancelled is not None:
            cancelled, self._cancelled = self._cancelled, None
            self.showtraceback(cancelled)
        if self.code is None:
            self.code = 0 if result is None or result.success else 1
        return self.code


_shell = None


def _load_the_rest(shell):
    """Loads what newer releases load at its first use. In a cell, the import would look in the current folder, and an interrupt
    that meets it would lose a magic for the session."""
    load_magics = getattr(shell.magics_manager, 'load_all_lazy_magics', None)
    if load_magics is not None:
        load_magics()
    try:
        raise KeyError
    except KeyError:
        shell.InteractiveTB.structured_traceback(*sys.exc_info())


def start():
    """Makes the shell."""
    global _shell
    warn = interactiveshell.warn
    interactiveshell.warn = lambda text, *args, **options: None if text.startswith('To exit:') else warn(text, *args, **options)
    # Older releases make its folder at once.
    interactiveshell.PickleShareDB = lambda folder: store.Database()
    config = Config()
    config.HistoryManager.enabled = False
    config.HistoryManager.hist_file = ':memory:'
    config.Completer.use_jedi = config.IPCompleter.use_jedi = False
    folder = os.environ.get('IPYTHONDIR') or os.path.expanduser('~/.ipython')
    shell = Shell.instance(config=config, ipython_dir=folder, profile_dir=_NoProfile(), user_module=cells.main,
                           user_ns=cells.main.__dict__)
    shell.db = store.Database(folder)
    shell.set_hook('show_in_pager', page.as_hook(page.display_page), 90)
    magics.install(shell)
    output.change_tracebacks(shell.InteractiveTB)
    output.change_values(shell.display_formatter)
    _load_the_rest(shell)
    # IPython's debugger uses it.
    sys.displayhook = sys.__displayhook__ = output.show_value
    _shell = shell


def _run(source, started):
    interrupts.arm()
    started()
    try:
        return _shell.run_source(source)
    except KeyboardInterrupt as error:
        # It came into the shell's own code.
        _shell.give_up_cell()
        if not _shell.has_shown(error):
            streams.complain('KeyboardInterrupt\n')
        return 1


def run(source, started):
    """Runs a cell; returns its exit code. Calls started() when the cell can be interrupted."""
    return cells.run_to_end(lambda: _run(source, started))


def suggest(code, post):
    """Suggestions for magics, lines of the shell and names of characters, or None for other places."""
    line = code.rpartition('\n')[2]
    if not _MAGIC.match(line) and not _CHARACTER.search(line):
        return None
    if (_ATTRIBUTE.search(line) or _KEY.search(line)) and '!' not in line:
        found = load('suggest').suggest(code, post)
        if found[1]:
            return found
    text, names = _shell.Completer.complete(line_buffer=line, cursor_pos=len(line))
    names = [name for name in names if name.startswith(text) or text.startswith('\\') and len(name) == 1]
    return (len(code) - len(text), names) if names else None
