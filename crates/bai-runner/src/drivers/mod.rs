//! The small programs that live inside the interpreters. They are files of their own languages in the folders beside this
//! file. This module only packs them into the texts that a loader reads.

use super::cache;
use super::own_program::Scratch;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::Duration;

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
    ("stacks", include_str!("python/stacks.py")),
    ("scripts", include_str!("python/scripts.py")),
    ("patches", include_str!("python/patches.py")),
    ("figures", include_str!("python/figures.py")),
    ("cells", include_str!("python/cells.py")),
    ("leaving", include_str!("python/leaving.py")),
    ("commands", include_str!("python/commands.py")),
    ("keys", include_str!("python/keys.py")),
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

/// The end of what Python imports before a script that it runs by itself, with the driver as its guest.
const GUEST: &str = include_str!("python/guest.py");

/// When another release of the guest is no longer needed.
const OLD: Duration = Duration::from_secs(24 * 60 * 60);

/// A name for this release of the Python driver.
static PYTHON_NAME: LazyLock<String> = LazyLock::new(|| {
    let mut hasher = DefaultHasher::new();
    (BOOT, GUEST, PYTHON).hash(&mut hasher);
    format!("{:016x}", hasher.finish())
});

/// The modules of the Python driver as a Python literal, which a JSON text of lists and strings is too.
static PYTHON_MODULES: LazyLock<String> = LazyLock::new(|| serde_json::to_string(PYTHON).unwrap_or_default());

/// The Python driver: the code that loads its modules, a separator, and the modules, which that code reads only if it has not kept
/// them.
pub(super) fn python() -> String {
    format!("{}{BOOT}\nbegin()\n\u{1}{}", python_cache(), *PYTHON_MODULES)
}

/// The line that says where the driver keeps its modules as an interpreter has compiled them.
fn python_cache() -> String {
    let path = cache::file(&format!("driver-{}", *PYTHON_NAME));
    let literal = path.and_then(|path| serde_json::to_string(path.to_str()?).ok());
    format!("CACHE = {}\n", literal.as_deref().unwrap_or("''"))
}

/// The folder from which a Python that runs a script by itself loads the driver: it imports `sitecustomize` there before the script. It
/// is kept for later starts, or made in the scratch folder.
///
/// # Errors
/// Errors of the file system.
pub(super) fn python_guest(scratch: &Scratch) -> io::Result<PathBuf> {
    let kept = cache::file(&format!("guest-{}", *PYTHON_NAME));
    // The variable in which Python finds the folder separates others by a colon.
    let kept = kept.filter(|folder| folder.to_str().is_some_and(|path| !path.contains(':')));
    match kept.map(|folder| make_python_guest(&folder).map(|()| folder)) {
        Some(Ok(folder)) => Ok(folder),
        other => {
            if let Some(Err(error)) = other {
                tracing::debug!(%error, "the driver of scripts cannot be kept");
            }
            let folder = scratch.path()?.join("guest");
            make_python_guest(&folder)?;
            Ok(folder)
        }
    }
}

/// Puts the guest's files there, unless they are there.
fn make_python_guest(folder: &Path) -> io::Result<()> {
    let (file, modules) = (folder.join("sitecustomize.py"), folder.join("modules"));
    let literal = serde_json::to_string(&modules.to_string_lossy())?;
    let text = format!("MODULES = {literal}\n{}{BOOT}{GUEST}", python_cache());
    // The second one is written last, and is whole.
    let is_there = std::fs::read(&file).is_ok_and(|known| known == text.as_bytes()) && modules.is_file();
    if is_there {
        return Ok(());
    }
    bai_private::replace_cache(&modules, PYTHON_MODULES.as_bytes())?;
    bai_private::replace_cache(&file, text.as_bytes())?;
    forget_old_guests(folder);
    Ok(())
}

/// Removes the folders of other releases beside this one. A start that has just begun may still need a new one.
fn forget_old_guests(folder: &Path) {
    let is_old = |entry: &std::fs::DirEntry| {
        let age = entry.metadata().and_then(|metadata| metadata.modified()).map(|time| time.elapsed());
        entry.file_name().to_string_lossy().starts_with("guest-")
            && entry.path() != folder
            && matches!(age, Ok(Ok(age)) if age > OLD)
    };
    let beside = folder.parent().and_then(|parent| std::fs::read_dir(parent).ok());
    for entry in beside.into_iter().flatten().flatten().filter(is_old) {
        let _ = std::fs::remove_dir_all(entry.path());
    }
}
