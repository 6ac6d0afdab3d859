# The names that can be imported, found without an import.

import io
import pkgutil
import sys

_DEFINITIONS = ('FunctionDef', 'AsyncFunctionDef', 'ClassDef')
_top_level = (None, ())
_LARGEST_SOURCE = 2000000


def top_level():
    """All modules that `import` finds; read again when sys.path has changed."""
    global _top_level
    key = tuple(str(entry) for entry in sys.path)
    if _top_level[0] != key:
        names = {module.name for module in pkgutil.iter_modules() if module.name.isidentifier()}
        names.update(sys.builtin_module_names)
        _top_level = (key, names)
    return _top_level[1]


def _places(package):
    """The folders with the submodules of a package."""
    module = sys.modules.get(package)
    if module is not None:
        return list(getattr(module, '__path__', None) or ())
    spec = _find(package)
    return list(spec.submodule_search_locations or ()) if spec is not None else []


def _find(name):
    parent, _, last = name.rpartition('.')
    path = _places(parent) if parent else None
    if parent and not path:
        return None
    for finder in sys.meta_path:
        find = getattr(finder, 'find_spec', None)
        is_ours = getattr(finder, '__module__', '').startswith('_bai_repl.')
        spec = find(name, path) if find is not None and not is_ours else None
        if spec is not None:
            return spec
    return None


def submodules(package):
    """The modules directly below a package."""
    names = {module.name for module in pkgutil.iter_modules(_places(package)) if module.name.isidentifier()}
    below = package + '.'
    for name in list(sys.modules):
        if isinstance(name, str) and name.startswith(below):
            names.add(name[len(below):].partition('.')[0])
    return names


def exported(name):
    """The names that `from name import` finds, read from the source when the module has not been imported."""
    module = sys.modules.get(name)
    if module is not None:
        return set(dir(module)) | submodules(name)
    spec = _find(name)
    names = submodules(name)
    if spec is None:
        return names
    if isinstance(spec.origin, str) and spec.origin.endswith('.py'):
        with io.open(spec.origin, 'rb') as source:
            text = source.read(_LARGEST_SOURCE)
        for node in compile(text, spec.origin, 'exec', 0x400, True).body:
            names.update(_defined(node))
    return names


def _defined(node):
    kind = type(node).__name__
    if kind in _DEFINITIONS:
        yield node.name
    elif kind in ('Import', 'ImportFrom'):
        for alias in node.names:
            if alias.name != '*':
                yield alias.asname or alias.name.partition('.')[0]
    elif kind in ('Assign', 'AnnAssign'):
        for target in getattr(node, 'targets', None) or [node.target]:
            for part in getattr(target, 'elts', None) or [target]:
                if type(part).__name__ == 'Name':
                    yield part.id
    elif kind in ('If', 'Try', 'With'):
        for part in node.body + getattr(node, 'orelse', []):
            for name in _defined(part):
                yield name
