# The source text of cells and scripts, by the name of their file: for tracebacks and for inspect. The module linecache, which
# these read, is loaded when one of them is.

import sys

from _bai_repl import hooks

_kept = {}


def keep(filename, source):
    # Lines as Python counts them: str.splitlines() knows more ends, which a string of the source may have. A line without an
    # end would have its marks in tracebacks one column too far to the right.
    lines = [line + '\n' for line in source.split('\n')]
    if source.endswith('\n'):
        del lines[-1]
    entry = _kept[filename] = (len(source), None, lines, filename)
    # Another thread may be importing it, and takes what is kept then.
    cache = getattr(sys.modules.get('linecache'), 'cache', None)
    if cache is not None:
        cache[filename] = entry


def _change(linecache):
    # Newer releases of Python keep the source of -c under this name, which also other code has; here it is that of the driver.
    linecache.cache.pop('<string>', None)
    linecache.cache.update(_kept)


def install():
    hooks.when_imported('linecache', _change)
