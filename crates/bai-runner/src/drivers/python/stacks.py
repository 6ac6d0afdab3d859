# The stack as the user's code sees it: without the driver's frames, and without those that have loaded the driver.

import sys

_frame = sys._getframe
_OURS = '<bai-repl '


def users(frame):
    """The user's frames from this one on."""
    kept, below = [], None
    while frame is not None:
        if frame.f_code.co_filename.startswith(_OURS):
            below = len(kept)
        else:
            kept.append(frame)
        frame = frame.f_back
    return kept[:below]


def change_traceback(module):
    def walk_stack(f):
        """Walk a stack yielding the frame and line number for each frame."""
        return iter([(frame, frame.f_lineno) for frame in users(_frame(1) if f is None else f)])

    module.walk_stack = walk_stack


def change_inspect(module):
    original = module.getouterframes

    def getouterframes(frame, context=1):
        kept = set(map(id, users(frame)))
        return [info for info in original(frame, context) if id(info[0]) in kept]

    getouterframes.__doc__ = original.__doc__
    module.getouterframes = getouterframes
