# Long containers as text: an item on each line, as IPython breaks them.

import pprint

# One that is even longer stays in a line: it would be a flood.
_FLOOD = 20000


class _Printer(pprint.PrettyPrinter):
    # Texts in it are not broken.
    _dispatch = {method: handler for method, handler in getattr(pprint.PrettyPrinter, '_dispatch', {}).items()
                 if method not in (str.__repr__, bytes.__repr__, bytearray.__repr__)}


def text(value, plain):
    """The value over several lines; `plain` is its representation in one."""
    if len(plain) > _FLOOD:
        return plain
    try:
        # Releases before 3.8 sort dictionaries in any case.
        printer = _Printer(width=80, sort_dicts=False)
    except TypeError:
        printer = _Printer(width=80)
    try:
        return printer.pformat(value)
    except Exception:
        return plain
