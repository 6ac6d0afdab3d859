# Completions by jedi, if the interpreter has it, where the live namespace has no answer. jedi takes a while to load, so
# the first question only starts that and has no answer.

import _thread
import sys

from _bai_repl import wire

_jedi = None
_loading = False
_turn = _thread.allocate_lock()
# How long a question waits for the one before it, in seconds. It is less than the time that an answer may take.
_PATIENCE = 1.0
# How often a question may make the cache anew.
_HEALINGS = 2


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
            wire.start_thread(_load)
        return []
    # One question at a time: each would only slow down the others, and the first one about a large module makes the next
    # ones fast. A question that gets no turn has no answer.
    if not _turn.acquire(timeout=_PATIENCE):
        return []
    try:
        names = [name for name in _names(code, namespace) if name.startswith(prefix)]
    finally:
        _turn.release()
    return sorted(names, key=lambda name: name.startswith('_'))


def _names(code, namespace):
    for _ in range(_HEALINGS):
        try:
            return _ask(code, namespace)
        except Exception as error:
            # Sessions share jedi's cache, and it is not written at once: another session may be writing to it just now,
            # or was killed and left half a file there. jedi fails on such a file each time and never replaces it.
            if not _is_of_the_cache(error):
                raise
            import shutil
            shutil.rmtree(str(_jedi.settings.cache_directory), ignore_errors=True)
    return _ask(code, namespace)


def _is_of_the_cache(error):
    frame = error.__traceback__
    while frame is not None:
        if frame.tb_frame.f_globals.get('__name__') in ('parso.cache', 'jedi.parser.cache'):
            return True
        frame = frame.tb_next
    return False


def _ask(code, namespace):
    script = _jedi.Interpreter(code, [namespace])
    found = script.complete() if hasattr(script, 'complete') else script.completions()
    return [one.name for one in found]
