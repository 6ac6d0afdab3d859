# The changes in the standard library and in IPython that let them work in a session: each change is made when the
# module is imported.

import os
import sys

import _bai_repl
from _bai_repl import cells, display, errors, hooks, interrupts, leaving, load, sources, streams, window, wire


_forgotten = sys.version_info < (3, 12)


def _forget_our_threads():
    """Python warns when a process with threads is forked. That is true, but the driver's threads do not concern the user."""
    global _forgotten
    if not _forgotten:
        _forgotten = True
        import warnings
        message = 'This process .* is multi-threaded, use of fork'
        warnings.filterwarnings('ignore', message=message, category=DeprecationWarning)


def _starts_child(module, name, before=None, is_captured=None):
    """Keeps the order between us and the children of this function, which write to the same streams. `is_captured` tells from
    its arguments whether a program reads the child's output."""
    original = getattr(module, name, None)
    if original is None:
        return

    def start(*args, **options):
        if before is not None:
            before()
        streams.before_child()
        hide = is_captured is not None and is_captured(args)
        if hide:
            window.hide_colors(True)
        try:
            return original(*args, **options)
        finally:
            if hide:
                window.hide_colors(False)
            streams.after_child()

    _replace(module, name, start)


def _replace(module, name, function):
    original = getattr(module, name)
    function.__name__, function.__qualname__, function.__module__ = name, name, original.__module__
    function.__doc__, function.__wrapped__ = original.__doc__, original
    setattr(module, name, function)


def _takes_our_place(name):
    """Hands our pipes on to the program that this function puts in the place of this one: the runner goes on with it."""
    original = getattr(os, name)

    def take_place(*args, **options):
        if wire.is_alone():
            return original(*args, **options)
        wire.hand_on(True)
        try:
            return original(*args, **options)
        finally:
            wire.hand_on(False)

    _replace(os, name, take_place)
    if original in os.supports_fd:
        os.supports_fd.add(take_place)


def _subprocess(module):
    def is_captured(args):
        # The tenth argument is the child's standard output, if it is not ours.
        return len(args) > 9 and args[9] != -1

    # It is called under another name since 3.11.
    if hasattr(module, '_fork_exec'):
        _starts_child(module, '_fork_exec', is_captured=is_captured)
    else:
        _starts_child(module._posixsubprocess, 'fork_exec', is_captured=is_captured)


def _getpass(module):
    original = module.getpass

    def getpass(prompt='Password: ', stream=None, **options):
        return (original if streams.asks_nobody() else streams.ask_password)(prompt, stream, **options)

    getpass.__doc__, getpass.__wrapped__ = original.__doc__, original
    module.getpass = module.unix_getpass = getpass


def _inspect(module):
    original = module.getfile

    def getfile(object):
        # Python only knows the module of a class, and __main__ has no file, so the cell is remembered.
        if isinstance(object, type) and getattr(object, '__module__', None) == '__main__':
            filename = cells.cells.classes.get(object.__qualname__)
            if filename is not None:
                return filename
        return original(object)

    getfile.__doc__ = original.__doc__
    module.getfile = getfile
    load('stacks').change_inspect(module)


def _traceback(module):
    errors.remember(module)
    load('stacks').change_traceback(module)


def _multiprocessing(module):
    # The default of 3.14 on Linux starts children without the functions of cells.
    fork = module._concrete_contexts.get('fork')
    if fork is not None and sys.platform == 'linux':
        module._default_context._default_context = fork


def _asyncio(module):
    # Tasks and timers of a cell that does not wait belong to the loop of the session.
    for name in ('create_task', 'ensure_future', 'get_event_loop'):
        if hasattr(module, name):
            setattr(module, name, _in_loop(module, getattr(module, name)))


def _in_loop(module, original):
    import functools
    makes_task = original.__name__ == 'create_task'

    @functools.wraps(original)
    def call(*args, **options):
        scripts = _bai_repl.__dict__.get('scripts')
        if not interrupts.is_main_thread() or scripts is not None and scripts.is_running:
            return original(*args, **options)
        waiting = _bai_repl.load('waiting')
        is_outside = module._get_running_loop() is None
        if is_outside:
            loop = waiting.session_loop()
        if not makes_task:
            return original(*args, **options)
        if is_outside:
            module._set_running_loop(loop)
        try:
            return waiting.watch(original(*args, **options))
        finally:
            if is_outside:
                module._set_running_loop(None)

    return call


def _threading(module):
    def excepthook(args):
        """Reports an uncaught exception in a thread."""
        if args.exc_type is SystemExit:
            return
        name = args.thread.name if args.thread is not None else module.get_ident()
        text = errors.describe(args.exc_type, args.exc_value, args.exc_traceback)
        streams.complain('Exception in thread %s:\n%s' % (name, text))

    if hasattr(module, 'excepthook'):
        module.excepthook = module.__excepthook__ = excepthook


_DISPLAY_MODULES = ('IPython.core.display_functions', 'IPython.core.display')


def _ipython(module):
    # Where IPython is the shell, its functions use our publisher.
    if not load('shell').is_ipython():
        _replace_display(module)


def replace_display():
    """Lets IPython's functions, where it is no shell, display as ours do."""
    for name in _DISPLAY_MODULES:
        if name in sys.modules:
            _replace_display(sys.modules[name])


def _replace_display(module):
    for name in ('display', 'update_display', 'clear_output', 'publish_display_data'):
        if isinstance(module.__dict__.get(name), type(_replace_display)):
            setattr(module, name, getattr(display, name))


def _pyplot(module):
    load('figures').install(module)


def _bdb(module):
    load('debugging').change_bdb(module)


def _pdb(module):
    load('debugging').change_pdb(module)


def install_for_sessions():
    """What only cells need. A program has Python's own."""
    hooks.when_imported('threading', _threading)


def install():
    hooks.install()
    if not streams.ARE_PYTHONS:
        # Else Python itself asks questions, and there is a window or nobody who looks.
        window.install()
        hooks.when_imported('getpass', _getpass)
        hooks.when_imported('bdb', _bdb)
        hooks.when_imported('pdb', _pdb)
    sources.install()
    leaving.install()
    for name in ('system', 'posix_spawn', 'posix_spawnp'):
        _starts_child(os, name)
    for name in ('fork', 'forkpty'):
        _starts_child(os, name, _forget_our_threads)
    for name in ('execv', 'execve'):
        _takes_our_place(name)
    hooks.when_imported('traceback', _traceback)
    hooks.when_imported('subprocess', _subprocess)
    hooks.when_imported('inspect', _inspect)
    hooks.when_imported('multiprocessing.context', _multiprocessing)
    hooks.when_imported('asyncio', _asyncio)
    for name in _DISPLAY_MODULES:
        hooks.when_imported(name, _ipython)
    hooks.when_imported('matplotlib.pyplot', _pyplot)
