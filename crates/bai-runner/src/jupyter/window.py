# Runs in a Python kernel, in a namespace of its own with VARIABLES: pairs of a name and a value, empty for none. A value of
# the user stays.

import builtins
import os
import sys

ours = builtins.__dict__.setdefault('__bai_repl_window__', {})
for name, value in VARIABLES:
    if os.environ.get(name, 'dumb') in ('dumb', ours.get(name)):
        if value:
            os.environ[name] = ours[name] = value
        else:
            os.environ.pop(name, None)
        console = getattr(sys.modules.get('rich'), '_console', None)
        if name == 'JUPYTER_COLUMNS' and value and console is not None:
            # It keeps the width of its beginning.
            console.width = int(value)
