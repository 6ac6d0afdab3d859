# The source text of cells and scripts, by the name of their file: for tracebacks and for inspect. The module linecache, which
# these read, is loaded when one of them is.

import sys

from _bai_repl import hooks

_kept = {}


def keep(filename, source):
    entry = _kept[filename] = (len(source), None, source.splitlines(True), filename)
    linecache = sys.modules.get('linecache')
    if linecache is not None:
        linecache.cache[filename] = entry


def install():
    hooks.when_imported('linecache', lambda linecache: linecache.cache.update(_kept))
