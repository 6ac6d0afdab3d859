# Loads the driver's modules. The names MODULES (the text of a list of [name, source]), CACHE (a file's path without its end, or '') and
# sys.argv[1:4] (the numbers of the pipes: control in, control out, aside out) come from the runner.
#
# The driver keeps itself apart from the user: its modules live in a package of their own with their own copy of the
# builtins, and everything that they need at the start is imported while the current folder is not on sys.path. The module
# `imports` sees to what they import later.

import builtins
import sys

# From 3.11 on, Python itself keeps the folder out for the runner; until then it had no reason to look there.
CURRENT_FOLDER = sys.path[:1] == ['']
if CURRENT_FOLDER:
    del sys.path[0]

import marshal
import os
import types

if os.environ.get('PYTHONSAFEPATH') == 'bai-repl':
    del os.environ['PYTHONSAFEPATH']
    CURRENT_FOLDER = True

PIPES = [int(number) for number in sys.argv[1:4]]
# To compile them takes longer than all else of a start. Another version of Python has another file.
CACHE = CACHE and '%s-%s-%x-%d' % (CACHE, sys.implementation.cache_tag, sys.hexversion, sys.flags.optimize)
package = types.ModuleType('_bai_repl')


def compiled(name):
    global SOURCES
    if SOURCES is None:
        SOURCES = dict(eval(MODULES.decode('utf-8')))
    return compile(SOURCES[name], '<bai-repl ' + name + '>', 'exec', 0, True)


def cached():
    """The modules that an earlier start has compiled, by their names; most are not needed, and stay as bytes. A file that another
    user can write is not used."""
    try:
        with open(CACHE, 'rb') as file:
            about = os.fstat(file.fileno())
            if about.st_uid == os.geteuid() and not about.st_mode & 0o022:
                return marshal.loads(file.read())
    except (OSError, ValueError, EOFError, TypeError):
        pass
    return {}


def keep():
    """Compiles all modules for later starts. The file of another release of the driver goes."""
    beside = '%s.%d' % (CACHE, os.getpid())
    folder, name = os.path.split(CACHE)
    try:
        for other in os.listdir(folder):
            if other != name and other.startswith('driver-') and other.split('-', 2)[2:] == name.split('-', 2)[2:]:
                os.unlink(os.path.join(folder, other))
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), 'wb') as file:
            file.write(marshal.dumps({name: marshal.dumps(compiled(name)) for name in SOURCES}))
        os.rename(beside, CACHE)
    except OSError:
        pass


SOURCES = None
CODES = cached() if CACHE else {}


def load(name):
    """A module of the driver, loaded at its first use."""
    module = package.__dict__.get(name)
    if module is None:
        module = types.ModuleType('_bai_repl.' + name)
        module.__dict__['__builtins__'] = dict(builtins.__dict__)
        kept = CODES.get(name)
        exec(marshal.loads(kept) if kept else compiled(name), module.__dict__)
        sys.modules[module.__name__] = package.__dict__[name] = module
    return module


package.__path__ = []
package.PIPES = PIPES
package.load = load
sys.modules['_bai_repl'] = package
for name in ('imports', 'wire', 'interrupts', 'hooks', 'window', 'streams', 'errors', 'display', 'sources', 'cells', 'patches',
             'completion', 'shell', 'main'):
    load(name)
if CACHE and not CODES:
    keep()
if CURRENT_FOLDER:
    sys.path.insert(0, '')
package.main.serve()
