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
    linecache = sys.modules.get('linecache')
    if linecache is not None:
        linecache.cache[filename] = entry


def install():
    hooks.when_imported('linecache', lambda linecache: linecache.cache.update(_kept))
