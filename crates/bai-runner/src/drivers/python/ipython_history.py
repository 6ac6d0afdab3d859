# The history of IPython's shell: the cells of this session. IPython looks for the last ones, and for those with a word, in a
# database, which a session does not have; here they are found in memory.

import fnmatch

from IPython.core.history import HistoryManager


class History(HistoryManager):
    def get_tail(self, n=10, raw=True, output=False, include_latest=False):
        """The last cells: all entries that %rerun, %recall and %history -l ask for."""
        entries = list(self.get_range(raw=raw, output=output))
        if not include_latest:
            # The cell that asks.
            del entries[-1:]
        return _last(entries, 10 if n is None else n)

    def search(self, pattern='*', raw=True, search_raw=True, output=False, n=None, unique=False):
        """The cells that a pattern of the shell matches, for %history -g and %rerun -g."""
        texts = self.input_hist_raw if search_raw else self.input_hist_parsed
        found = [entry for entry in self.get_range(raw=raw, output=output) if fnmatch.fnmatchcase(texts[entry[1]], pattern)]
        if unique:
            last = {texts[entry[1]]: entry for entry in found}
            found = [entry for entry in found if last[texts[entry[1]]] is entry]
        return found if n is None else _last(found, n)


def _last(entries, count):
    return entries[-count:] if count > 0 else []
