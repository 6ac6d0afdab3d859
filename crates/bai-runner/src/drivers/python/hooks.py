# Changes in modules of other libraries, made when they are imported.

import sys

_changes = {}


def when_imported(name, change):
    """Calls change(module) after the module has been imported, at once if it was imported already."""
    module = sys.modules.get(name)
    if module is not None:
        change(module)
    else:
        _changes[name] = change


class _Finder:
    """The first finder on sys.meta_path, which lets the others do the work."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        change = _changes.pop(name, None)
        if change is None:
            return None
        for finder in sys.meta_path:
            find = getattr(finder, 'find_spec', None)
            spec = find(name, path, target) if find is not None and finder is not _Finder else None
            if spec is not None and hasattr(spec.loader, 'exec_module'):
                spec.loader = _Loader(spec.loader, change)
                return spec
        _changes[name] = change
        return None


class _Loader:
    def __init__(self, loader, change):
        self._loader = loader
        self._change = change

    def __getattr__(self, name):
        return getattr(self._loader, name)

    def create_module(self, spec):
        return self._loader.create_module(spec)

    def exec_module(self, module):
        module.__loader__ = module.__spec__.loader = self._loader
        self._loader.exec_module(module)
        try:
            self._change(module)
        except Exception:
            # A release with another structure: it is not changed.
            pass


def install():
    sys.meta_path.insert(0, _Finder)
