# What IPython's shell keeps by name: its bookmarks, and the variables and aliases of %store, on disk where IPython keeps them, as
# the user has asked for that; all else for this session alone.

import collections.abc
import fnmatch
import os

from IPython.core.error import UsageError

_ON_DISK = ('autorestore/', 'stored_aliases', 'bookmarks')


def _share(folder):
    try:
        from pickleshare import PickleShareDB
    except ImportError:
        try:
            from IPython.external.pickleshare import PickleShareDB
        except ImportError:
            raise UsageError('IPython keeps this with the package pickleshare: %pip install pickleshare')
    return PickleShareDB(folder)


class Database(collections.abc.MutableMapping):
    """The database of the shell."""

    def __init__(self, ipython_dir=None):
        self._folder = None if ipython_dir is None else os.path.join(ipython_dir, 'profile_default', 'db')
        self._values = {}
        self._disk = None

    def _place(self, key, is_written=False):
        """Where a key is kept. The folder is made when something is written to it."""
        if self._folder is None or not key.startswith(_ON_DISK):
            return self._values
        if self._disk is None:
            if not is_written and not os.path.isdir(self._folder):
                return {}
            self._disk = _share(self._folder)
        return self._disk

    def __getitem__(self, key):
        return self._place(key)[key]

    def __setitem__(self, key, value):
        self._place(key, True)[key] = value

    def __delitem__(self, key):
        # %rehashx forgets what may never have been kept.
        place = self._place(key)
        if key in place:
            del place[key]

    def __iter__(self):
        return iter(self.keys())

    def __len__(self):
        return len(self.keys())

    def keys(self, pattern=None):
        names = list(self._values) + [name for name in self._place(_ON_DISK[0]).keys() if name.startswith(_ON_DISK)]
        return names if pattern is None else fnmatch.filter(names, pattern)
