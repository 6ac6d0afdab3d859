# matplotlib's figures: shown by plt.show(), as the value of a cell, and at the end of the cell that drew them.

import io

from _bai_repl import cells, display

_pyplot = None
# Figures that were shown in this cell and are still open.
_shown = []


def _bundle(figure):
    picture = io.BytesIO()
    figure.savefig(picture, format='png', bbox_inches='tight', dpi=figure.dpi, facecolor=figure.get_facecolor())
    # Drawing on it again makes it stale, and so does saving it at another size.
    figure.stale = False
    return {'image/png': picture.getvalue()}


def _send(figure):
    display.publish(_bundle(figure))


def picture(figure):
    """The picture of a figure that is shown now."""
    _shown.append(figure)
    return _bundle(figure)['image/png']


def _is_empty(figure):
    return not (figure.axes or figure.lines or figure.images or figure.texts or figure.patches)


def _open_figures():
    from matplotlib._pylab_helpers import Gcf
    return [manager.canvas.figure for manager in Gcf.get_all_fig_managers()]


def _show_all(close):
    for figure in _open_figures():
        again = any(figure is one for one in _shown) and not figure.stale
        if not again and not _is_empty(figure):
            _send(figure)
            _shown.append(figure)
    if close:
        _shown.clear()
        _pyplot.close('all')


def _show(*args, **options):
    """Shows the open figures; a replacement for pyplot.show() that never waits."""
    # plt.pause() shows without blocking and goes on drawing.
    block = args[0] if args else options.get('block')
    _show_all(close=block is not False)


def _show_figure(self, warn=True):
    """Shows this figure; a replacement for Figure.show()."""
    _send(self)
    _shown.append(self)


def _bundle_of(value):
    from matplotlib.figure import Figure
    if not isinstance(value, Figure):
        return None
    _shown.append(value)
    return _bundle(value)


def install(pyplot):
    global _pyplot
    from matplotlib.figure import Figure
    _pyplot = pyplot
    pyplot.show = _show
    Figure.show = _show_figure
    display.special.append(_bundle_of)
    cells.at_end.append(lambda: _show_all(close=True))
