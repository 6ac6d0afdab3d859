# Runs a script as a process of its own, in a session that ends with it: the kernel's interpreter runs the file, so that its
# end, its streams, its exit code and its children are those of Python. script.py runs the scripts that need the kernel, and
# reading.py sees whether input is wanted. The prelude loads the three for each script, with the client's question:
#
# - a script that is a file lies on disk while it runs, also if only the client has it: its children and tracebacks read it there;
# - what it prints comes through two pipes, and the kernel sends it on. The exit code follows when they are empty;
# - what it reads comes through a pipe. When somebody waits in a read of it, a question of the kernel whose prompt is the client's
#   mark asks for the next piece. The client does not show that prompt. Its answer is '+', or '.' if the input ends there, and
#   the bytes in Base64;
# - it has the environment in which the kernel began, and is told the window in which its output is shown;
# - figures of matplotlib are shown as pictures. The backend that does it is a module in a folder of ours.

import ast
import base64
import codecs
import contextlib
import errno
import importlib.util
import os
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import warnings

# The size of a read or a write of a pipe.
BLOCK = 1 << 16
# How often somebody looks whether the input is wanted, in seconds: at first, and after a while.
SOON, LATER = 0.002, 0.05
# What Python starts with an argument that is longer, the system refuses.
LONGEST_ARGUMENT = 100000
# Names that IPython gives to its code.
OF_IPYTHON = ('get_ipython', 'display')
# Variables that are the kernel's own.
OF_KERNEL = (b'JPY_PARENT_PID', b'JPY_SESSION_NAME', b'PYDEVD_USE_FRAME_EVAL')
# The limit for a figure on its way here, in seconds.
FIGURE_LIMIT = 30
FIGURES = 'bai_repl_figures'
# The backend: it sends each figure to a socket beside it, and goes on when the figure is shown.
BACKEND = '''
from matplotlib.backend_bases import FigureManagerBase as FigureManager
from matplotlib.backends.backend_agg import FigureCanvasAgg as FigureCanvas


def show(*args, **options):
    import io, os, socket
    from matplotlib import pyplot
    for number in pyplot.get_fignums():
        picture = io.BytesIO()
        pyplot.figure(number).savefig(picture, format='png', bbox_inches='tight')
        pyplot.close(number)
        with socket.socket(socket.AF_UNIX) as link:
            link.connect(os.path.join(os.path.dirname(os.path.abspath(__file__)), 'figures'))
            link.sendall(picture.getvalue())
            link.shutdown(socket.SHUT_WR)
            link.recv(1)
'''


def needs_kernel(shell, source, reads_terminal):
    """Whether a script is IPython's: by its syntax, by what it uses, or because a password is hidden only there."""
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        try:
            tree = compile(source, '<script>', 'exec', ast.PyCF_ONLY_AST, True)
            compile(tree, '<script>', 'exec', 0, True)
        except SyntaxError:
            return is_of_ipython(shell, source)
        except ValueError:
            return False
    names, imported, made = set(), set(), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            (names if isinstance(node.ctx, ast.Load) else made).add(node.id)
        elif isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            made.add(node.name)
        elif isinstance(node, ast.Import):
            imported.update(alias.name.partition('.')[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            imported.add((node.module or '').partition('.')[0])
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            made.update(alias.asname or alias.name for alias in node.names)
    return bool(
        any(name in names and name not in made for name in OF_IPYTHON) or 'IPython' in imported
        or reads_terminal and 'getpass' in imported)


def is_of_ipython(shell, source):
    """Whether source that is not Python's is IPython's."""
    try:
        text = importlib.util.decode_source(source)
    except (SyntaxError, UnicodeError):
        return False
    for attempt in (lambda: text, lambda: shell.transform_cell(text)):
        try:
            compile(attempt(), '<script>', 'exec', TOP_LEVEL_AWAIT, True)
            return True
        except (SyntaxError, ValueError):
            pass
    return False


class File:
    """The file of a script. One that is not there, or is another one, is made for the time of the script."""

    def __init__(self, source, path):
        self.path = path
        self.made = []
        try:
            with open(path, 'rb') as file:
                if file.read() == source:
                    return
        except FileNotFoundError:
            pass
        else:
            folder, name = os.path.split(path)
            self.path = os.path.join(folder, '.%d-%s' % (os.getpid(), name))
        self.make_folder(os.path.dirname(self.path))
        with open(self.path, 'wb') as file:
            self.made.append(self.path)
            file.write(source)

    def make_folder(self, folder):
        if not os.path.isdir(folder):
            self.make_folder(os.path.dirname(folder))
            os.mkdir(folder)
            self.made.append(folder)

    def remove(self):
        for path in reversed(self.made):
            # A folder stays if the script has put something there.
            with contextlib.suppress(OSError):
                (os.rmdir if os.path.isdir(path) else os.remove)(path)


class Figures:
    """The place to which figures of matplotlib are sent."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix='bai-repl-')
        with open(os.path.join(self.folder, FIGURES + '.py'), 'w') as file:
            file.write(BACKEND)
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(os.path.join(self.folder, 'figures'))
        self.socket.listen(8)

    def change(self, environment):
        path = os.fsencode(self.folder)
        before = environment.get(b'PYTHONPATH')
        environment[b'PYTHONPATH'] = before + os.pathsep.encode() + path if before else path
        environment[b'MPLBACKEND'] = b'module://' + FIGURES.encode()

    def receive(self):
        """The link to the sender, and the picture, which is empty if the sender has gone."""
        link, _ = self.socket.accept()
        link.settimeout(FIGURE_LIMIT)
        parts = []
        with contextlib.suppress(OSError):
            parts.extend(iter(lambda: link.recv(BLOCK), b''))
        return link, b''.join(parts)

    def close(self):
        self.socket.close()
        shutil.rmtree(self.folder, ignore_errors=True)


class Process:
    def __init__(self, prelude, question, allow_stdin):
        self.prelude = prelude
        self.kernel = prelude.kernel
        self.question = question
        self.allow_stdin = allow_stdin
        self.source = base64.b64decode(question['source'])
        self.name = decoded(question['name'])
        # What is left of the last piece of the input, and whether no other one follows.
        self.rest, self.input_ends = b'', False
        # Whether the client is being asked for the next piece.
        self.asks = False
        self.pause = SOON
        self.cleanup = contextlib.ExitStack()

    def run(self):
        """Runs the script; returns its exit code, or None if it cannot be run so."""
        with self.cleanup:
            try:
                command = self.command()
                self.start(command)
            except OSError:
                return None
            self.follow()
        code = self.child.returncode
        return 128 - code if code < 0 else code

    def command(self):
        interpreter, arguments = [sys.executable, '-u'], [decoded(one) for one in self.question['args']]
        if self.question['file'] is not None:
            path = os.path.join(os.getcwd(), decoded(self.question['file']))
            file = File(self.source, path)
            self.cleanup.callback(file.remove)
            is_told = file.path == path and os.path.abspath(self.name) == path and self.name[0] != '-'
            return interpreter + [self.name if is_told else file.path] + arguments
        if self.name == '-c':
            if len(self.source) > LONGEST_ARGUMENT or b'\0' in self.source:
                raise OSError(errno.E2BIG, os.strerror(errno.E2BIG))
            return interpreter + ['-c', os.fsdecode(self.source)] + arguments
        # The script itself comes through standard input.
        self.rest, self.input_ends = self.source, True
        return interpreter + ([self.name] + arguments if self.name else [])

    def start(self, command):
        environment = self.environment()
        self.figures = None
        backend = environment.get(b'MPLBACKEND', b'')
        if importlib.util.find_spec('matplotlib') is not None and (not backend or b'inline' in backend):
            self.figures = Figures()
            self.cleanup.callback(self.figures.close)
            self.figures.change(environment)
        self.kernel._forward_input(self.allow_stdin)
        self.cleanup.callback(self.kernel._restore_input)
        # An interrupt is the script's from now on.
        self.child = None
        self.cleanup.callback(signal.signal, signal.SIGINT, signal.signal(signal.SIGINT, self.interrupt))
        pipes = dict(stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0)
        self.child = subprocess.Popen(command, env=environment, start_new_session=True, **pipes)
        for stream in (self.child.stdin, self.child.stdout, self.child.stderr):
            os.set_blocking(stream.fileno(), False)
            self.cleanup.callback(stream.close)
        self.cleanup.callback(self.kill)
        self.pipe = 'pipe:[%d]' % os.fstat(self.child.stdin.fileno()).st_ino

    def kill(self):
        if self.child.poll() is None:
            os.killpg(self.child.pid, signal.SIGKILL)

    def environment(self):
        with open('/proc/self/environ', 'rb') as file:
            pairs = [pair.split(b'=', 1) for pair in file.read().split(b'\0') if b'=' in pair]
        environment = {name: value for name, value in pairs if name not in OF_KERNEL}
        for name, value in self.question['window'].items():
            if value is not None:
                environment.setdefault(name.encode(), value.encode())
        if self.question['colors'] and b'NO_COLOR' not in environment:
            environment.setdefault(b'FORCE_COLOR', b'1')
        return environment

    def interrupt(self, number, frame):
        if self.child is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.child.pid, signal.SIGINT)
        if self.asks:
            raise KeyboardInterrupt

    def follow(self):
        """Carries the streams until the process has ended, and what it has written after that."""
        decoder = codecs.getincrementaldecoder('utf-8')
        self.outputs = [
            (self.child.stdout, sys.stdout, decoder('replace')), (self.child.stderr, sys.stderr, decoder('replace'))]
        self.selector = selectors.DefaultSelector()
        self.cleanup.callback(self.selector.close)
        for output in self.outputs:
            self.selector.register(output[0], selectors.EVENT_READ, output)
        ended, tell = os.pipe()
        self.cleanup.callback(os.close, ended)
        threading.Thread(target=self.wait, args=(tell,), daemon=True).start()
        self.selector.register(ended, selectors.EVENT_READ, 'ended')
        if self.figures is not None:
            self.selector.register(self.figures.socket, selectors.EVENT_READ, 'figure')
        while 'ended' not in self.step():
            pass
        self.show_all()
        for _, stream, decoder in self.outputs:
            stream.write(decoder.decode(b'', True))
            stream.flush()

    def wait(self, tell):
        self.child.wait()
        os.close(tell)

    def step(self):
        """Waits for something, and deals with it; returns what it was."""
        self.feed()
        asks = not self.child.stdin.closed and not self.rest
        happened = [key.data for key, _ in self.selector.select(self.pause if asks else None)]
        for what in happened:
            if isinstance(what, tuple):
                self.show(what, BLOCK)
            elif what == 'figure':
                self.show_figure()
        self.pause = SOON if happened else min(2 * self.pause, LATER)
        if asks and not happened and not unread_bytes(self.child.stdin.fileno()):
            if someone_reads(self.child.pid, self.pipe):
                self.ask()
        return happened

    def feed(self):
        """Writes what the pipe takes, and closes it at the end of the input."""
        stdin = self.child.stdin
        if stdin.closed:
            return
        try:
            while self.rest:
                count = os.write(stdin.fileno(), self.rest[:BLOCK])
                self.rest = self.rest[count:]
        except BlockingIOError:
            if stdin not in self.selector.get_map():
                self.selector.register(stdin, selectors.EVENT_WRITE, 'input')
            return
        except OSError:
            # Nobody can read it any more.
            self.rest, self.input_ends = b'', True
        if stdin in self.selector.get_map():
            self.selector.unregister(stdin)
        if self.input_ends:
            stdin.close()

    def ask(self):
        # What it has printed before.
        self.show_all()
        answer = ''
        try:
            self.asks = True
            answer = self.kernel.raw_input(self.question['mark'])
            self.asks = False
        except KeyboardInterrupt:
            self.asks = False
            return
        except Exception:
            # The client takes no questions.
            self.asks = False
        self.input_ends = answer[:1] != '+'
        self.rest = memoryview(base64.b64decode(answer[1:]))
        self.pause = SOON

    def show(self, output, limit):
        """Shows what is there, up to a limit; returns how much it was."""
        pipe, stream, decoder = output
        try:
            data = os.read(pipe.fileno(), limit)
        except BlockingIOError:
            return 0
        if not data and pipe in self.selector.get_map():
            self.selector.unregister(pipe)
        stream.write(decoder.decode(data))
        return len(data)

    def show_all(self):
        """Shows what has been written until now. There may be others who go on writing."""
        for output in self.outputs:
            left = unread_bytes(output[0].fileno())
            while left > 0:
                count = self.show(output, min(left, BLOCK))
                left = left - count if count else 0

    def show_figure(self):
        link, picture = self.figures.receive()
        with link:
            # What was printed before comes before it.
            self.show_all()
            if picture:
                data = {'image/png': base64.b64encode(picture).decode('ascii'), 'text/plain': '<Figure>'}
                self.prelude.publish('display_data', {'data': data, 'metadata': {}, 'transient': {}})


def run(prelude, question, allow_stdin):
    """Runs a script; returns its exit code."""
    source = base64.b64decode(question['source'])
    code = None
    if question['last'] and not needs_kernel(prelude.shell, source, question['terminal']):
        code = Process(prelude, question, allow_stdin).run()
    return Script(prelude, question, allow_stdin).run() if code is None else code
