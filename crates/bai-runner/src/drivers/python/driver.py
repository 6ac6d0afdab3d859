# Loads the driver's modules, and serves the runner.
#
# The driver keeps itself apart from the user: its modules live in a package of their own with their own copy of the
# builtins, and everything that they need at the start is imported while the current folder is not on sys.path. The module
# `imports` sees to what they import later.

# From 3.11 on, Python itself keeps the folder out for the runner; until then it had no reason to look there.
CURRENT_FOLDER = sys.path[:1] == ['']
if CURRENT_FOLDER:
    del sys.path[0]

import builtins

_Module = type(sys)

if os.environ.get('PYTHONSAFEPATH') == 'bai-repl':
    del os.environ['PYTHONSAFEPATH']
    CURRENT_FOLDER = True

package = _Module('_bai_repl')


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


def keep_guest():
    """Compiles the guest's file for later starts, where Python itself was told not to do it."""
    try:
        if not os.path.exists(__spec__.cached):
            import py_compile
            py_compile.compile(__spec__.origin, doraise=True)
    except Exception:
        pass


def load(name):
    """A module of the driver, loaded at its first use."""
    module = package.__dict__.get(name)
    if module is None:
        module = _Module('_bai_repl.' + name)
        module.__dict__['__builtins__'] = dict(builtins.__dict__)
        exec(compiled(name), module.__dict__)
        sys.modules[module.__name__] = package.__dict__[name] = module
    return module


package.__path__ = []
# Python itself runs a script, and the driver is its guest.
IS_GUEST = package.IS_GUEST = 'PIPES' in globals()
package.PIPES = [int(number) for number in (PIPES if IS_GUEST else sys.argv[1:4])]
# Whether its client has lent it streams of its own.
package.HAS_LENT_STREAMS = IS_GUEST and STREAMS == 'lent'
package.load = load
sys.modules['_bai_repl'] = package
# The others are loaded when they are needed: most sessions run one script.
for name in ('imports', 'wire', 'interrupts', 'hooks', 'window', 'streams', 'errors', 'display', 'sources', 'cells', 'leaving',
             'patches', 'shell', 'main'):
    load(name)
if CACHE and not CODES:
    keep()
if CACHE and IS_GUEST and sys.dont_write_bytecode:
    keep_guest()
if CURRENT_FOLDER:
    sys.path.insert(0, '')
(package.main.attend if IS_GUEST else package.main.serve)()
