# Runs a script as Python itself does, but in the namespace of an IPython kernel: in a session that does not end with it, and where it
# needs IPython. The others are processes of their own (process.py), whose questions for input these are too:
#
# - arguments, sys.path[0], __file__ and tracebacks are the script's, and the value of the last line is not shown;
# - the exit code is Python's, also that of os._exit(), which the kernel survives;
# - the window is that in which its output is shown;
# - the standard streams are files as Python has them. What is read from standard input comes from the client in pieces.

import asyncio
import atexit
import base64
import builtins
import codecs
import gc
import getpass
import importlib.util
import io
import linecache
import os
import signal
import sys
import threading
import traceback
from _sitebuiltins import Quitter

# It registers its end when it is imported, which the kernel does when it first sends much. That is not a part of the script, and
# the kernel's output needs it.
import zmq.utils.garbage

TOP_LEVEL_AWAIT = 0x2000 if sys.version_info >= (3, 8) else 0
COROUTINE = 0x80
# The exit code of Python after a KeyboardInterrupt.
INTERRUPTED = 130
# The names of the files that Python's own tracebacks have.
NAMES = {'-c': '<string>', '-': '<stdin>', '': '<stdin>'}
# How the names of our own files begin.
OURS = '<bai-repl'
FILES = (io.TextIOWrapper, io.BufferedWriter, io.BufferedRandom)


def parts(report, seen=None):
    """The report of an exception and those of the exceptions that it came from."""
    seen = set() if seen is None else seen
    if report is not None and report.stack is not None and id(report) not in seen:
        seen.add(id(report))
        yield report
        for part in report.__cause__, report.__context__:
            yield from parts(part, seen)


class Exit(BaseException):
    """The program has called os._exit()."""


class Input(io.RawIOBase):
    """The standard input of the script."""

    name = '<stdin>'
    mode = 'rb'

    def __init__(self, kernel, mark, terminal):
        self.kernel = kernel
        self.mark = mark
        self.terminal = terminal
        self.process = os.getpid()
        self.rest = memoryview(b'')
        self.ended = False

    def readable(self):
        return True

    def isatty(self):
        return self.terminal

    def readinto(self, target):
        if not self.rest and not self.ended and os.getpid() == self.process:
            self.ask()
        count = min(len(target), len(self.rest))
        target[:count], self.rest = self.rest[:count], self.rest[count:]
        return count

    def ask(self):
        try:
            answer = self.kernel.raw_input(self.mark)
        except KeyboardInterrupt:
            # Without the frames of the kernel.
            raise KeyboardInterrupt from None
        self.ended = answer[:1] != '+'
        self.rest = memoryview(base64.b64decode(answer[1:]))


class Output(io.RawIOBase):
    """The bytes of an output stream of the kernel, which takes text only."""

    def __init__(self, stream, name):
        self.stream = stream
        self.name = name
        self.decoder = codecs.getincrementaldecoder('utf-8')('replace')

    def writable(self):
        return True

    def isatty(self):
        return self.stream.isatty()

    def fileno(self):
        if getattr(self.stream, 'watch_fd_thread', None) is None:
            raise io.UnsupportedOperation('fileno')
        # The kernel reads what comes there.
        return 1 if self.name == '<stdout>' else 2

    def write(self, data):
        data = bytes(data)
        self.stream.write(self.decoder.decode(data))
        return len(data)

    def flush(self):
        self.stream.flush()


class Changes:
    """What is another value while the script runs."""

    def __init__(self):
        self.undone = []

    def set(self, owner, name, value):
        before = getattr(owner, name)
        setattr(owner, name, value)
        self.undone.append(lambda: setattr(owner, name, before))

    def set_name(self, names, name, value):
        is_there, before = name in names, names.get(name)
        names[name] = value
        self.undone.append(lambda: names.update({name: before}) if is_there else names.pop(name, None))

    def put_first(self, values, value):
        values.insert(0, value)
        self.undone.append(lambda: values.remove(value) if value in values else None)

    def undo(self):
        while self.undone:
            self.undone.pop()()


class Script:
    def __init__(self, prelude, question, allow_stdin):
        self.prelude = prelude
        self.shell = prelude.shell
        self.kernel = prelude.kernel
        self.question = question
        self.allow_stdin = allow_stdin
        self.source = base64.b64decode(question['source'])
        self.name = decoded(question['name'])
        self.filename = NAMES.get(self.name, self.name)
        # The kernel's, which the script may replace.
        self.exit_process = os._exit
        self.exception_hook = sys.excepthook
        self.process = os.getpid()
        self.threads = set(threading.enumerate())
        self.modules = set(sys.modules)
        self.at_exit = []
        self.register_in_kernel = atexit.register
        # The exit code that another thread has given to os._exit().
        self.code = None

    def run(self):
        """Runs the script; returns its exit code."""
        changes = Changes()
        try:
            self.change(changes)
            code = without_loop(self.run_to_end)
            flush()
        finally:
            changes.undo()
            self.forget_modules()
        if os.getpid() != self.process:
            # It was forked by the script, and reached the end of the script.
            self.exit_process(code)
        return code

    def change(self, changes):
        question, names = self.question, self.shell.user_ns
        if question['file'] is not None:
            self.lay_down(changes)
        changes.set(sys, 'argv', [self.name] + [decoded(one) for one in question['args']])
        changes.put_first(sys.path, '' if question['file'] is None else os.path.dirname(self.filename))
        changes.set(sys, 'excepthook', sys.excepthook)
        changes.set(os, '_exit', self.exit_now)
        if question['last']:
            changes.set(atexit, 'register', self.register)
            changes.set(atexit, 'unregister', self.unregister)
        if question['file'] is not None:
            changes.set_name(names, '__file__', self.filename)
        for name in ('exit', 'quit'):
            changes.set_name(names, name, Quitter(name, 'Ctrl-D'))
        self.change_window(changes)
        self.change_streams(changes)
        importlib.invalidate_caches()

    def lay_down(self, changes):
        """The script lies on disk while it runs: its children read it there."""
        self.filename = os.path.join(os.getcwd(), decoded(self.question['file']))
        try:
            file = File(self.source, self.filename)
        except OSError:
            return
        self.filename = file.path
        changes.undone.append(file.remove)

    def change_window(self, changes):
        known = self.prelude.window
        before = {name: known.get(name) for name in ('COLUMNS', 'LINES')}
        self.prelude.ask_window(self.question['window'])
        changes.undone.append(lambda: self.prelude.ask_window(before))

    def change_streams(self, changes):
        ask, ask_password = builtins.input, getpass.getpass
        self.kernel._forward_input(self.allow_stdin)
        changes.undone.append(self.kernel._restore_input)
        changes.set(builtins, 'input', ask)
        changes.set(getpass, 'getpass', self.ask_password if self.question['terminal'] else ask_password)
        raw = Input(self.kernel, self.question['mark'], self.question['terminal'])
        # Ends of lines stay as they are.
        options = dict(encoding='utf-8', errors=errors('stdin'), newline='\n')
        files = {'stdin': io.TextIOWrapper(io.BufferedReader(raw, 1 << 16), **options)}
        for name in ('stdout', 'stderr'):
            raw = Output(getattr(sys, name), '<%s>' % name)
            options = dict(encoding='utf-8', errors=errors(name), newline='\n', write_through=True)
            files[name] = io.TextIOWrapper(raw, **options)
        for name, file in files.items():
            file.mode = 'r' if name == 'stdin' else 'w'
            changes.set(sys, name, file)

    def forget_modules(self):
        """The next script imports its own modules anew: their files may be other ones then."""
        folder = os.path.join(os.getcwd(), '')
        for name in set(sys.modules) - self.modules:
            file = getattr(sys.modules.get(name), '__file__', None)
            if isinstance(file, str) and file.startswith(folder) and 'site-packages' not in file:
                del sys.modules[name]

    def ask_password(self, prompt='Password: ', stream=None, **options):
        # Without a stream, of which the kernel says that it has no effect.
        return self.kernel.getpass(prompt)

    def run_to_end(self):
        try:
            code = self.guarded(self.main)
            # Pictures of matplotlib are shown there.
            self.shell.events.trigger('post_execute')
            code = self.guarded(self.finish, code) if self.question['last'] else code
            flush_files()
            return code
        except Exit as exit:
            return exit.args[0]

    def guarded(self, action, code=0):
        """Runs code of the user, and reports its exception; returns the exit code."""
        try:
            action()
            return code
        except SystemExit as error:
            return exit_code(error.code)
        except BaseException as error:
            if isinstance(error, Exit):
                raise
            if self.code is not None:
                raise Exit(self.code)
            self.report(error)
            return INTERRUPTED if isinstance(error, KeyboardInterrupt) else 1

    def main(self):
        source = self.source
        try:
            text = importlib.util.decode_source(source)
        except (SyntaxError, UnicodeError):
            text = None
        if text is not None:
            linecache.cache[self.filename] = (len(text), None, text.splitlines(True), self.filename)
        code = self.compile(source, text)
        with self.shell.builtin_trap:
            value = eval(code, self.shell.user_ns)
            if code.co_flags & COROUTINE:
                asyncio.run(value)

    def compile(self, source, text):
        def compiled(source):
            return compile(source, self.filename, 'exec', TOP_LEVEL_AWAIT, True)

        try:
            return compiled(source)
        except SyntaxError as error:
            refusal = error
        if text is not None:
            try:
                # The lines that begin with a sign are IPython's, as in a cell.
                return compiled(self.shell.transform_cell(text))
            except SyntaxError:
                pass
        raise refusal

    def report(self, error):
        """Writes an exception as Python does, without our frames."""
        trace = error.__traceback__
        if sys.excepthook is not self.exception_hook:
            try:
                sys.excepthook(type(error), error, trace)
                return
            except Exception:
                traceback.print_exc()
        first = trace
        while first is not None and first.tb_frame.f_code.co_filename != self.filename:
            first = first.tb_next
        report = traceback.TracebackException(type(error), error, first or trace)
        for part in parts(report):
            part.stack[:] = [frame for frame in part.stack if not frame.filename.startswith(OURS)]
        lines = list(report.format())
        if not report.stack and lines[0].startswith('Traceback'):
            # No code of the user was running: a syntax error.
            del lines[0]
        sys.stderr.write(''.join(lines))

    def finish(self):
        """What Python does at its end, while output still belongs to the script."""
        pools = sys.modules.get('concurrent.futures.thread')
        if pools is not None:
            pools._python_exit()
        for thread in self.waited_for():
            thread.join()
        while self.at_exit:
            action, args, options = self.at_exit.pop()
            self.guarded(lambda: action(*args, **options))

    def waited_for(self):
        """The threads of the script, as long as there are some."""
        while True:
            running = [one for one in set(threading.enumerate()) - self.threads if not one.daemon]
            if not running:
                return
            yield running[0]

    def register(self, action, *args, **options):
        thread = threading.current_thread()
        if thread in self.threads and thread is not threading.main_thread():
            # The kernel's own work.
            return self.register_in_kernel(action, *args, **options)
        self.at_exit.append((action, args, options))
        return action

    def unregister(self, action):
        self.at_exit[:] = [one for one in self.at_exit if one[0] != action]

    def exit_now(self, code):
        """In the place of os._exit(): the kernel goes on."""
        if os.getpid() != self.process:
            self.exit_process(code)
        code &= 0xff
        if threading.current_thread() is threading.main_thread():
            raise Exit(code)
        self.code = code
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
        raise SystemExit


def exit_code(value):
    """The exit code for the value of SystemExit."""
    if value is None:
        return 0
    if isinstance(value, int):
        return value & 0xff
    sys.stderr.write('%s\n' % (value,))
    return 1


def flush():
    for stream in (sys.stdout, sys.stderr):
        flush_file(stream)


def flush_file(file):
    try:
        file.flush()
    except Exception:
        pass


def flush_files():
    """Writes what open files still keep, as Python does at its end."""
    for file in gc.get_objects():
        if type(file) in FILES:
            flush_file(file)


def errors(name):
    """What Python itself does in this environment with what it cannot decode or encode."""
    return getattr(getattr(sys, '__%s__' % name), 'errors', None) or 'strict'


def without_loop(action):
    """Runs it as if the event loop of the kernel did not run in this thread: scripts run loops of their own."""
    loop = asyncio._get_running_loop()
    swap = getattr(asyncio.tasks, '_swap_current_task', None)
    task = swap(loop, None) if swap is not None and loop is not None else None
    asyncio._set_running_loop(None)
    try:
        return action()
    finally:
        asyncio._set_running_loop(loop)
        if loop is not None:
            asyncio.set_event_loop(loop)
            if swap is not None:
                swap(loop, task)


def decoded(text):
    """A text of the client, in which a byte that is not UTF-8 is a character of its own, as Python writes it."""
    return ''.join(chr(ord(c) - 0x10ff00 + 0xdc00) if ord(c) >= 0x10ff80 else c for c in text)
