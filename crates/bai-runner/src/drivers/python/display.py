# The display of a value: the text of the interactive interpreter, or the richest representation that the value offers.

import builtins
import os
import sys

from _bai_repl import load, wire

_MISSING = object()
# What fits in a line is not broken.
_LINE = 79
_CONTAINERS = (dict, list, tuple, set, frozenset)
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


def _method(value, name):
    """A method that the value's class, or the value itself, really has: objects with an attribute for every name do not count."""
    if isinstance(value, type):
        return None
    if getattr(type(value), name, None) is None and name not in getattr(value, '__dict__', ()):
        return None
    method = getattr(value, name, None)
    return method if callable(method) else None


def _with_metadata(offered):
    """A representation and its metadata; it may come with some."""
    if isinstance(offered, tuple):
        return (offered + ({}, {}))[:2] if offered else (None, {})
    return offered, {}


def bundle(value):
    """The representations of a value by MIME type, without its text, and their metadata."""
    for special_bundle in special:
        offered = special_bundle(value)
        if offered is not None:
            return offered, {}
    method = _method(value, '_repr_mimebundle_')
    if method is not None:
        try:
            offered, metadata = _with_metadata(method(include=None, exclude=None))
            if isinstance(offered, dict) and offered:
                return offered, metadata
        except Exception:
            pass
    for kind, name in _RICH:
        method = _method(value, name)
        if method is None:
            continue
        try:
            data, metadata = _with_metadata(method())
        except Exception:
            continue
        if data is not None:
            return {kind: data}, {kind: metadata}
    return {}, {}


def _sendable(kind, data):
    """A representation as text, or None if it cannot be one."""
    if isinstance(data, (bytes, bytearray, memoryview)):
        if kind in _PICTURES:
            import binascii
            return wire.Plain(binascii.b2a_base64(bytes(data), newline=False))
        return bytes(data).decode('utf-8', 'replace')
    if isinstance(data, str):
        return str(data)
    import json
    try:
        return json.dumps(data)
    except Exception:
        return None


def _sizes(metadata):
    """Of the metadata, the sizes of pictures in pixels."""
    sizes = {}
    for key, value in metadata.items() if isinstance(metadata, dict) else ():
        if isinstance(value, dict):
            value = _sizes(value)
        elif key not in ('width', 'height'):
            continue
        elif not isinstance(value, (int, float)) or value != value:
            value = str(value)
        sizes[str(key)] = value
    return sizes


def publish(data, metadata=None, transient=None, update=False):
    """Shows the best of several representations by MIME type, as IPython's display publisher does. With update=True it takes
    the place of what was shown with this transient['display_id']. False if there is none that can be sent."""
    name = (transient or {}).get('display_id')
    if name is None and not update and list(data) == ['text/plain']:
        sys.stdout.write(str(data['text/plain']) + '\n')
        return True
    offered = ((str(kind), _sendable(kind, value)) for kind, value in data.items() if value is not None)
    offered = {kind: value for kind, value in offered if value is not None}
    if not offered:
        return False
    load('streams').flush()
    wire.say({
        'say': 'display',
        'data': offered,
        'metadata': _sizes(metadata),
        'transient': {'display_id': str(name)} if name is not None else {},
        'update': bool(update),
    })
    return True


def publish_display_data(data, metadata=None, source=None, transient=None, **options):
    """The function of IPython.display."""
    publish(data, metadata, transient, options.get('update', False))


def clear(wait=False):
    """Removes the output of the cell so far; with wait=True when the next output comes."""
    load('streams').flush()
    wire.say({'say': 'clear', 'wait': bool(wait)})


def next_input(text, replace=False):
    """Fills the user's next prompt with a text; with replace=True in the place of this cell."""
    wire.say({'say': 'next_input', 'text': str(text), 'replace': bool(replace)})


def leave():
    """Ends the user's prompt after this cell."""
    wire.say({'say': 'leave'})


# Functions that give the representations of objects of other libraries, or None; the hook for matplotlib adds one.
special = []


def show(value, name=None, update=False, metadata=None):
    method = _method(value, '_ipython_display_') if name is None else None
    if method is not None:
        method()
        return
    offered, sizes = bundle(value)
    transient = {'display_id': name} if name is not None else None
    if not publish(offered, metadata or sizes, transient, update):
        publish({'text/plain': _text(value)}, None, transient, update)


class DisplayHandle:
    """What display(…, display_id=True) returns: shows values in the place of the first one."""

    def __init__(self, display_id=None):
        self.display_id = display_id if display_id is not None else _new_name()

    def __repr__(self):
        return '<DisplayHandle display_id=%s>' % self.display_id

    def display(self, value, **options):
        """Shows a value below, which later updates also change."""
        display(value, display_id=self.display_id, **options)

    def update(self, value, **options):
        """Shows a value in the place of the last one."""
        update_display(value, display_id=self.display_id, **options)


def _new_name():
    return os.urandom(16).hex()


def _text(value):
    # IPython's own printer, for values that only it can print, as its class Pretty.
    pretty = getattr(sys.modules.get('IPython.lib.pretty'), 'pretty', None)
    if pretty is not None and _method(value, '_repr_pretty_') is not None:
        return pretty(value)
    text = repr(value)
    if len(text) > _LINE and isinstance(value, _CONTAINERS):
        text = load('pretty').text(value, text)
    return text


def display(*values, **options):
    """Shows values like the value of a cell; a builtin. With raw=True they are bundles of data by
    MIME type. With display_id=True, or a name, it returns a handle that can replace what is shown."""
    name = options.get('display_id')
    handle = None
    if name is not None and name is not False:
        handle = DisplayHandle(None if name is True else name)
    if options.get('clear'):
        clear(wait=True)
    for value in values:
        show_one(value, handle and handle.display_id, options)
    return handle


def show_one(value, name, options):
    update, metadata = bool(options.get('update')), options.get('metadata')
    if options.get('raw') and isinstance(value, dict):
        publish(value, metadata, {'display_id': name} if name is not None else None, update)
    else:
        show(value, name, update, metadata)


def update_display(value, display_id=None, **options):
    """Shows a value in the place of what was displayed with this name."""
    if display_id is None:
        raise TypeError('update_display() needs the keyword argument display_id')
    show_one(value, display_id, dict(options, update=True))


def clear_output(wait=False):
    """Removes the output of the cell so far; with wait=True when the next output comes."""
    clear(wait)


class _Results:
    """The values of earlier cells, in builtins as the interactive interpreter keeps its own: _, __, ___, _1, _2…"""

    def __init__(self):
        self.cell = 0
        self.last = [_MISSING, _MISSING, _MISSING]

    def keep(self, value):
        names = builtins.__dict__
        other = names.get('_')
        if other is not None and other is not self.last[0]:
            # Another library uses the name, as gettext.install() does. None is what doctest leaves.
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
