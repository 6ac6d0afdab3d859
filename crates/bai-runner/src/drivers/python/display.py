# The display of a value: the text of the interactive interpreter, or the richest representation that the value offers.

import base64
import builtins
import json
import sys

from _bai_repl import wire

_MISSING = object()
_PICTURES = ('image/png', 'image/jpeg', 'image/gif', 'image/webp', 'image/bmp')
# In the order of preference, each with its method.
_RICH = (
    ('image/png', '_repr_png_'),
    ('image/jpeg', '_repr_jpeg_'),
    ('image/svg+xml', '_repr_svg_'),
    ('text/html', '_repr_html_'),
    ('text/markdown', '_repr_markdown_'),
    ('text/latex', '_repr_latex_'),
    ('application/json', '_repr_json_'),
)
# Types that only a bundle can have.
_OTHERS = ('image/gif', 'image/webp', 'image/bmp', 'application/x-sorna-drawing', 'application/vnd.sorna.gitgraph')


def _method(value, name):
    """A method that the value's class, or the value itself, really has: objects with an attribute for every name do not count."""
    if isinstance(value, type):
        return None
    if getattr(type(value), name, None) is None and name not in getattr(value, '__dict__', ()):
        return None
    method = getattr(value, name, None)
    return method if callable(method) else None


def _plain(data):
    # A representation may come with metadata.
    return data[0] if isinstance(data, tuple) and data else data


def bundle(value):
    """The representations of a value by MIME type, without its text."""
    method = _method(value, '_repr_mimebundle_')
    if method is not None:
        try:
            offered = _plain(method(include=None, exclude=None))
            if isinstance(offered, dict) and offered:
                return offered
        except Exception:
            pass
    offered = {}
    for kind, name in _RICH:
        method = _method(value, name)
        if method is None:
            continue
        try:
            data = _plain(method())
        except Exception:
            continue
        if data is not None:
            offered[kind] = data
            break
    return offered


def show_bundle(offered):
    """Sends the best of several representations. False if only text can be sent."""
    for kind in [kind for kind, _ in _RICH] + list(_OTHERS):
        data = offered.get(kind)
        if data is None:
            continue
        if kind in _PICTURES:
            beginning = 'data:%s;base64,' % kind
            if isinstance(data, (bytes, bytearray, memoryview)):
                data = wire.Plain(beginning.encode('ascii'), base64.b64encode(bytes(data)))
            else:
                data = beginning + ''.join(str(data).split())
        elif isinstance(data, (bytes, bytearray)):
            data = bytes(data).decode('utf-8', 'replace')
        elif kind == 'application/json' and not isinstance(data, str):
            try:
                data = json.dumps(data)
            except Exception:
                # It is not JSON; another representation may be valid.
                continue
        if kind == 'text/html':
            wire.say({'say': 'html', 'data': str(data)})
        else:
            data = data if isinstance(data, wire.Plain) else str(data)
            wire.say({'say': 'media', 'mime': kind, 'data': data})
        return True
    return False


# Functions that show objects of other libraries; the hook for matplotlib adds its figures here.
special = []


def show(value):
    for shown in special:
        if shown(value):
            return
    offered = bundle(value)
    if show_bundle(offered):
        return
    text = offered.get('text/plain')
    text = text if isinstance(text, str) else repr(value)
    sys.stdout.write(text)
    sys.stdout.write('\n')


def display(*values, **options):
    """Shows values like the value of a cell; a builtin. With raw=True they are bundles of data by
    MIME type."""
    for value in values:
        if options.get('raw') and isinstance(value, dict):
            if not show_bundle(value) and 'text/plain' in value:
                print(value['text/plain'])
        else:
            show(value)


class _Results:
    """The values of earlier cells, in builtins as the interactive interpreter keeps its own: _, __, ___, _1, _2…"""

    def __init__(self):
        self.cell = 0
        self.last = [_MISSING, _MISSING, _MISSING]

    def keep(self, value):
        names = builtins.__dict__
        if names.get('_', _MISSING) is not self.last[0] and '_' in names:
            # Another library uses the name, as gettext.install() does.
            return
        self.last = [value] + self.last[:2]
        for name, old in zip(('_', '__', '___'), self.last):
            if old is not _MISSING:
                names[name] = old
        names['_%d' % self.cell] = value
        names.setdefault('Out', {})[self.cell] = value


results = _Results()


def displayhook(value):
    if value is None:
        return
    show(value)
    results.keep(value)


def install():
    builtins.display = display
    sys.displayhook = sys.__displayhook__ = displayhook
