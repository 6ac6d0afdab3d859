//! The small programs that live inside the interpreters. They are files of their own languages in the folders beside this
//! file. This module only packs them into the texts that a loader reads.

use super::cache;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::LazyLock;

/// The driver of bash.
pub(super) const BASH: &str = include_str!("bash/driver.sh");
/// The driver of Node.js.
pub(super) const NODE: &str = concat!(include_str!("node/driver.js"), "\n");

/// The driver of Ruby: one text in three files. The next ones have several files too.
pub(super) const RUBY: &str =
    concat!(include_str!("ruby/driver.rb"), include_str!("ruby/suggest.rb"), include_str!("ruby/explain.rb"));
/// The driver of Perl.
pub(super) const PERL: &str = concat!(
    include_str!("perl/driver.pl"),
    include_str!("perl/show.pl"),
    include_str!("perl/suggest.pl"),
    include_str!("perl/explain.pl")
);
/// The driver of PHP.
pub(super) const PHP: &str = concat!(
    include_str!("php/driver.php"),
    include_str!("php/source.php"),
    include_str!("php/show.php"),
    include_str!("php/suggest.php"),
    include_str!("php/explain.php"),
    include_str!("php/main.php")
);
/// The driver of Lua.
pub(super) const LUA: &str =
    concat!(include_str!("lua/driver.lua"), include_str!("lua/suggest.lua"), include_str!("lua/explain.lua"));

/// The driver of R; its files share one environment.
pub(super) const R: &str = concat!(
    include_str!("r/wire.R"),
    include_str!("r/console.R"),
    include_str!("r/plots.R"),
    include_str!("r/names.R"),
    include_str!("r/browser.R"),
    include_str!("r/cells.R"),
);

/// The driver of Octave.
pub(super) const OCTAVE: &str = include_str!("octave/driver.m");
/// The driver of SQLite, in Python.
pub(super) const SQLITE: &str = include_str!("sqlite/driver.py");

/// The driver to copy when a language is added. Only a test runs it.
#[cfg(test)]
pub(super) const SKELETON: &str = include_str!("skeleton/driver.py");

/// What Python imports before a script that it runs by itself, with the driver as its guest.
pub(super) const PYTHON_GUEST: &str = include_str!("python/guest.py");

/// The files of the Python driver; each is a module of its own. `boot.py` begins, and `driver` loads the others.
const PYTHON: &[(&str, &str)] = &[
    ("driver", include_str!("python/driver.py")),
    ("imports", include_str!("python/imports.py")),
    ("wire", include_str!("python/wire.py")),
    ("interrupts", include_str!("python/interrupts.py")),
    ("streams", include_str!("python/streams.py")),
    ("errors", include_str!("python/errors.py")),
    ("display", include_str!("python/display.py")),
    ("hooks", include_str!("python/hooks.py")),
    ("window", include_str!("python/window.py")),
    ("sources", include_str!("python/sources.py")),
    ("scripts", include_str!("python/scripts.py")),
    ("patches", include_str!("python/patches.py")),
    ("figures", include_str!("python/figures.py")),
    ("cells", include_str!("python/cells.py")),
    ("leaving", include_str!("python/leaving.py")),
    ("commands", include_str!("python/commands.py")),
    ("scan", include_str!("python/scan.py")),
    ("modules", include_str!("python/modules.py")),
    ("completion", include_str!("python/completion.py")),
    ("suggest", include_str!("python/suggest.py")),
    ("static", include_str!("python/static.py")),
    ("shell", include_str!("python/shell.py")),
    ("ipython", include_str!("python/ipython.py")),
    ("ipython_history", include_str!("python/ipython_history.py")),
    ("ipython_magics", include_str!("python/ipython_magics.py")),
    ("ipython_output", include_str!("python/ipython_output.py")),
    ("ipython_store", include_str!("python/ipython_store.py")),
    ("debugging", include_str!("python/debugging.py")),
    ("programs", include_str!("python/programs.py")),
    ("pretty", include_str!("python/pretty.py")),
    ("main", include_str!("python/main.py")),
    ("packages", include_str!("python/packages.py")),
    ("waiting", include_str!("python/waiting.py")),
];

/// The beginning of the Python driver.
const BOOT: &str = include_str!("python/boot.py");

/// The modules of the Python driver as a Python literal, which a JSON text of lists and strings is too, and a name for them.
static PYTHON_MODULES: LazyLock<(String, String)> = LazyLock::new(|| {
    let modules = serde_json::to_string(PYTHON).unwrap_or_default();
    let mut hasher = DefaultHasher::new();
    (BOOT, &modules).hash(&mut hasher);
    let name = format!("driver-{:016x}", hasher.finish());
    (modules, name)
});

/// The Python driver: the code that loads its modules, a separator, and the modules, which that code reads only if it has not kept
/// them.
pub(super) fn python() -> String {
    let (modules, name) = &*PYTHON_MODULES;
    let cache = cache::file(name).and_then(|path| serde_json::to_string(path.to_str()?).ok());
    let cache = cache.as_deref().unwrap_or("''");
    format!("CACHE = {cache}\n{BOOT}\u{1}{modules}")
}
