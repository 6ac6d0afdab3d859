# Begins the driver. The names MODULES (the text of a list of [name, source], or the path of a file with it), CACHE (a file's path without its end, or '')
# and sys.argv[1:4] (the numbers of the pipes: control in, control out, aside out; for a guest PIPES) come from the runner. Python may have to
# compile this part at every start, so it is short; it goes on in the module `driver`, which works in this namespace.

import marshal
import os
import sys

# To compile the modules takes longer than all else of a start. Another version of Python has another file.
CACHE = CACHE and '%s-%s-%x-%d' % (CACHE, sys.implementation.cache_tag, sys.hexversion, sys.flags.optimize)
# The modules that an earlier start has compiled, by their names; most are not needed, and stay as bytes.
CODES = {}
SOURCES = None


def compiled(name):
    global SOURCES
    if name in CODES:
        return marshal.loads(CODES[name])
    if SOURCES is None:
        text = MODULES
        if isinstance(text, str):
            with open(text, 'rb') as file:
                text = file.read()
        SOURCES = dict(eval(text.decode('utf-8')))
    return compile(SOURCES[name], '<bai-repl ' + name + '>', 'exec', 0, True)


def begin():
    global CODES
    try:
        with open(CACHE, 'rb') as file:
            about = os.fstat(file.fileno())
            # A file that another user can write is not used.
            if about.st_uid == os.geteuid() and not about.st_mode & 0o022:
                CODES = marshal.loads(file.read())
    except (OSError, ValueError, EOFError, TypeError):
        pass
    exec(compiled('driver'), globals())
