# Completions by jedi, if the interpreter has it, where the live namespace has no answer. jedi takes a while to load, so
# the first question only starts that and has no answer.

import _thread
import sys

_jedi = None
_loading = False


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
    script = _jedi.Interpreter(code, [namespace])
    found = script.complete() if hasattr(script, 'complete') else script.completions()
    names = [one.name for one in found if one.name.startswith(prefix)]
    return sorted(names, key=lambda name: name.startswith('_'))
