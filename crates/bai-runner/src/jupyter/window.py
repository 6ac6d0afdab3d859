# Runs in a Python kernel, in a namespace of its own with VARIABLES: pairs of a name and a value, empty for none. A value of
# the user stays.

import builtins
import os

ours = builtins.__dict__.setdefault('__bai_repl_window__', {})
for name, value in VARIABLES:
    if os.environ.get(name, 'dumb') in ('dumb', ours.get(name)):
        if value:
            os.environ[name] = ours[name] = value
        else:
            os.environ.pop(name, None)
