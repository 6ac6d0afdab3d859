# What IPython's shell shows: values, displayed data, tracebacks and figures, in our records and on our streams.

import sys

from _bai_repl import display, load

from IPython.core import displayhook, displaypub

_OURS = '<bai-repl '


class Publisher(displaypub.DisplayPublisher):
    def publish(self, data, metadata=None, source=None, *, transient=None, update=False, **options):
        display.publish(data, metadata, transient, update)

    def clear_output(self, wait=False):
        display.clear(wait)


class DisplayHook(displayhook.DisplayHook):
    def write_output_prompt(self):
        pass

    def write_format_data(self, format_dict, md_dict=None):
        display.publish(format_dict, md_dict)

    def finish_displayhook(self):
        # Without the empty line of a terminal.
        self._is_active = False


def show_value(value):
    """What a console inside of a cell shows, such as `interact` of a debugger. The values of cells are the shell's own."""
    if value is not None:
        display.show(value)


def _is_users(record):
    # A tuple in older releases.
    file = record[1] if isinstance(record, tuple) else getattr(record, 'filename', '')
    return not str(file).startswith(_OURS)


def change_tracebacks(formatter):
    """Leaves our frames out, such as those of a question that was interrupted."""
    get_records = formatter.get_records

    def users_records(*args, **options):
        return [record for record in get_records(*args, **options) if _is_users(record)]

    formatter.get_records = users_records


def change_values(formatter):
    """A figure as a value is its picture, and the list of magics is its text."""
    formatter.formatters['application/json'].for_type_by_name('IPython.core.magics.basic', 'MagicsDisplay', lambda magics: None)
    formatter.formatters['image/png'].for_type_by_name('matplotlib.figure', 'Figure', load('figures').picture)
