# Loads the driver's modules. The names MODULES (a list of [name, source]) and sys.argv[1:4] (the numbers of the
# pipes: control in, control out, aside out) come from the runner.
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

import os
import types

if os.environ.get('PYTHONSAFEPATH') == 'bai-repl':
    del os.environ['PYTHONSAFEPATH']
    CURRENT_FOLDER = True

PIPES = [int(number) for number in sys.argv[1:4]]
MODULES = dict(MODULES)
package = types.ModuleType('_bai_repl')


def load(name):
    """A module of the driver, loaded at its first use."""
    module = package.__dict__.get(name)
    if module is None:
        module = types.ModuleType('_bai_repl.' + name)
        module.__dict__['__builtins__'] = dict(builtins.__dict__)
        exec(compile(MODULES[name], '<bai-repl ' + name + '>', 'exec', 0, True), module.__dict__)
        sys.modules[module.__name__] = package.__dict__[name] = module
    return module


package.__path__ = []
package.PIPES = PIPES
package.load = load
sys.modules['_bai_repl'] = package
for name in ('imports', 'wire', 'interrupts', 'hooks', 'window', 'streams', 'errors', 'display', 'cells', 'patches', 'completion', 'main'):
    load(name)
if CURRENT_FOLDER:
    sys.path.insert(0, '')
package.main.serve()
