# Completions by jedi, if the interpreter has it, where the live namespace has no answer. jedi takes a while to load, so
# the first question only starts that and has no answer.

import _thread
import sys

_jedi = None
_loading = False
_cache_is_trusted = True


def _load():
    global _jedi
    limit = sys.getrecursionlimit()
    try:
        import jedi
        jedi.settings.add_bracket_after_function = False
        _jedi = jedi
    except BaseException:
        # It is missing, or too old for this interpreter.
        pass
    finally:
        # jedi raises the limit when it is imported; that is for the user to decide.
        sys.setrecursionlimit(limit)


def attributes(code, prefix, namespace):
    """Names that could follow the dot before `prefix` at the end of `code`, private ones last."""
    global _loading
    if _jedi is None:
        if not _loading:
            _loading = True
            _thread.start_new_thread(_load, ())
        return []
    names = [name for name in _names(code, namespace) if name.startswith(prefix)]
    return sorted(names, key=lambda name: name.startswith('_'))


def _names(code, namespace):
    global _cache_is_trusted
    try:
        return _ask(code, namespace)
    except Exception:
        # A session that was killed while jedi wrote its cache has left half a file there. jedi fails on it in each later
        # session and never replaces it.
        if not _cache_is_trusted:
            raise
        _cache_is_trusted = False
        import shutil
        shutil.rmtree(str(_jedi.settings.cache_directory), ignore_errors=True)
        return _ask(code, namespace)


def _ask(code, namespace):
    script = _jedi.Interpreter(code, [namespace])
    found = script.complete() if hasattr(script, 'complete') else script.completions()
    return [one.name for one in found]
