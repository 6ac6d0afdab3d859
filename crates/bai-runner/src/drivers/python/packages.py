# Packages that a step has installed into the environment of the session while the interpreter runs.

import os
import sys

# Python has loaded it at its start, unless it was told not to.
site = sys.modules.get('site')
# It belongs to the environment alone: all that it adds is here already.
OURS = 'session.pth'


def add(environment):
    """Makes the packages of the environment importable, before those of the user, as after a restart."""
    folder = os.path.join(environment, 'lib', 'python%d.%d' % sys.version_info[:2], 'site-packages')
    if site is None or not os.path.isdir(folder):
        return
    before = list(sys.path)
    if folder not in before:
        sys.path.append(folder)
    for name in sorted(os.listdir(folder)):
        if name.endswith('.pth') and name != OURS:
            site.addpackage(folder, name, None)
    new = [path for path in sys.path if path not in before]
    packages = (place for place, path in enumerate(before) if os.path.basename(path) in ('site-packages', 'dist-packages'))
    place = next(packages, len(before))
    sys.path[:] = before[:place] + new + before[place:]
    for finder in sys.meta_path:
        invalidate = getattr(finder, 'invalidate_caches', None)
        if invalidate is not None:
            invalidate()
