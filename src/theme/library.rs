//! Finds themes by name: the user's own in a folder, and the built-in ones. A user's theme takes precedence over the
//! built-in theme of the same name, and may inherit from it. Built-in themes inherit only from built-in ones, so a user's `dark`
//! changes no other theme that ships.

use std::fs::{self, OpenOptions};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use bai_private::trust;
use thiserror::Error;

use super::file::{self, Layer, MAX_BYTES};
use super::{Rgb, Theme, ThemeError};
use crate::terminal::ColorDepth;

macro_rules! shipped {
    ($($name:literal,)*) => { &[$(($name, include_str!(concat!("../../themes/", $name, ".toml"))),)*] };
}

/// The built-in themes: name and text.
const SHIPPED: &[(&str, &str)] = shipped![
    "dark",
    "light",
    "high-contrast",
    "high-contrast-light",
    "colorblind",
    "colorblind-light",
    "monochrome",
    "catppuccin-latte",
    "catppuccin-mocha",
    "dracula",
    "gruvbox-dark",
    "gruvbox-light",
    "nord",
    "one-dark",
    "solarized-dark",
    "solarized-light",
    "tokyo-night",
];

/// The theme that provides the styles that others leave out.
const BASE: &str = "monochrome";
/// Maximum length of an inheritance chain.
const MAX_CHAIN: usize = 8;
/// Maximum files of a folder that are listed.
const MAX_FILES: usize = 1_000;

/// Why a theme cannot be used.
#[derive(Debug, Error)]
pub enum LibraryError {
    /// It does not exist.
    #[error("there is no theme \"{name}\"; there are: {}", known.join(", "))]
    Unknown {
        /// The requested name.
        name: String,
        /// The names of the usable themes.
        known: Vec<String>,
    },
    /// Its file cannot be read.
    #[error("cannot read the theme {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// Its file, or one that it inherits from, is invalid.
    #[error(transparent)]
    Invalid(#[from] ThemeError),
}

/// The available themes.
#[derive(Clone, Debug, Default)]
pub struct Library {
    folder: Option<PathBuf>,
}

/// An entry of the list of themes.
#[derive(Debug)]
pub struct ListedTheme {
    /// Its name.
    pub name: String,
    /// The file, if it is the user's own theme.
    pub file: Option<PathBuf>,
    /// The theme, or its error.
    pub theme: Result<Theme, LibraryError>,
}

impl ListedTheme {
    /// Its name in a list, with a remark when it cannot be used.
    pub fn label(&self) -> String {
        let remark = if self.theme.is_err() { " (cannot be used)" } else { "" };
        format!("{}{remark}", self.name)
    }
}

impl Library {
    /// The built-in themes and those in `folder`, which need not exist.
    pub fn new(folder: Option<PathBuf>) -> Self {
        Self { folder }
    }

    /// The folder of the user's own themes.
    pub fn folder(&self) -> Option<&Path> {
        self.folder.as_deref()
    }

    /// Returns a theme by its name.
    ///
    /// # Errors
    /// [`LibraryError`] if the theme does not exist or is invalid.
    pub fn find(&self, name: &str) -> Result<Theme, LibraryError> {
        let Some(layer) = self.layer(name, false)? else {
            return Err(LibraryError::Unknown { name: name.to_owned(), known: self.usable_names() });
        };
        self.complete(layer, || self.usable_names())
    }

    /// Returns the default theme: `monochrome` without colours, else `light` or `dark` by the background's brightness; `dark`
    /// if the background is unknown. The user's own `dark` and `light` take precedence.
    ///
    /// # Errors
    /// [`LibraryError::Read`] and [`LibraryError::Invalid`].
    pub fn default_for(&self, background: Option<Rgb>, colors: ColorDepth) -> Result<Theme, LibraryError> {
        self.find(match background {
            _ if colors == ColorDepth::None => BASE,
            Some(rgb) if rgb.is_light() => "light",
            _ => "dark",
        })
    }

    /// Names of all themes: the user's own first.
    pub fn names(&self) -> Vec<String> {
        let mut names = self.own();
        for (name, _) in SHIPPED {
            if !names.iter().any(|own| own == name) {
                names.push((*name).to_owned());
            }
        }
        names
    }

    /// Names of the themes that can be used: the user's own first.
    pub fn usable_names(&self) -> Vec<String> {
        let is_usable = |name: &String| {
            let layer = self.layer(name, false).ok().flatten();
            layer.is_some_and(|layer| self.complete(layer, Vec::new).is_ok())
        };
        self.names().into_iter().filter(is_usable).collect()
    }

    /// All themes, including those with errors.
    pub fn list(&self) -> Vec<ListedTheme> {
        let own = self.own();
        let listed = |name: String| {
            let file = own.contains(&name).then(|| self.path(&name)).flatten();
            ListedTheme { theme: self.find(&name), name, file }
        };
        self.names().into_iter().map(listed).collect()
    }

    /// Parses a theme from the text of a file; `file` is its name in messages.
    ///
    /// # Errors
    /// [`ThemeError`] names the file, the line, and the problem.
    pub fn parse(&self, file: &str, text: &str) -> Result<Theme, LibraryError> {
        self.complete(Layer::read(file, text)?, || self.usable_names())
    }

    fn path(&self, name: &str) -> Option<PathBuf> {
        Some(self.folder.as_ref()?.join(format!("{name}.toml")))
    }

    fn own(&self) -> Vec<String> {
        let files = self.folder.as_ref().and_then(|folder| fs::read_dir(folder).ok());
        let stem = |entry: io::Result<fs::DirEntry>| {
            let name = entry.ok()?.file_name().into_string().ok()?;
            let stem = name.strip_suffix(".toml")?;
            (is_name(stem)).then(|| stem.to_owned())
        };
        let mut names: Vec<String> = files.into_iter().flatten().take(MAX_FILES).filter_map(stem).collect();
        names.sort();
        names
    }

    /// Merges a theme with the themes that it inherits from. An error names the `known` themes.
    fn complete(&self, first: Layer, known: impl Fn() -> Vec<String>) -> Result<Theme, LibraryError> {
        let mut layers = vec![first];
        while let Some(last) = layers.last() {
            let Some(name) = last.inherit() else {
                if last.name() != BASE || layers.len() == 1 {
                    layers.extend(shipped(BASE).transpose()?);
                }
                break;
            };
            if layers.len() >= MAX_CHAIN {
                let problem = format!("themes inherit from each other over more than {MAX_CHAIN} files");
                return Err(last.wrong_inheritance(problem).into());
            }
            // A user's `dark` that inherits from `dark` means the built-in one.
            let seen = layers.iter().filter(|layer| layer.name() == name).count();
            let only_shipped = last.is_shipped() || seen > 0;
            let Some(parent) = self.layer(name, only_shipped)?.filter(|_| seen < 2) else {
                let problem = match seen {
                    0 => format!("there is no theme \"{name}\"; there are: {}", known().join(", ")),
                    _ => format!("\"{name}\" inherits from itself"),
                };
                return Err(last.wrong_inheritance(problem).into());
            };
            layers.push(parent);
        }
        Ok(file::join(&layers)?)
    }

    /// Parses one file by the theme's name.
    fn layer(&self, name: &str, only_shipped: bool) -> Result<Option<Layer>, LibraryError> {
        if let Some(path) = self.path(name).filter(|_| !only_shipped && is_name(name)) {
            match read(&path) {
                Ok(text) => return Ok(Some(Layer::read(&path.to_string_lossy(), &text)?)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(source) => return Err(LibraryError::Read { path, source }),
            }
        }
        Ok(shipped(name).transpose()?)
    }
}

fn shipped(name: &str) -> Option<Result<Layer, ThemeError>> {
    let (name, text) = SHIPPED.iter().find(|(known, _)| *known == name)?;
    Some(Layer::read(&format!("{name}.toml"), text).map(Layer::into_shipped))
}

/// Whether this is a valid theme name: it is also a file name, and is shown to the user.
fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 64
        && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | ' '))
        && !name.starts_with('.')
}

/// Reads a regular file, up to the maximum size of a theme.
fn read(path: &Path) -> io::Result<String> {
    let file = trust::open_regular(path, OpenOptions::new().read(true))?;
    // A theme decides what stands at the prompt.
    if let Some(distrust) = trust::check_writer(path, &file.metadata()?) {
        return Err(distrust.into());
    }
    let mut bytes = Vec::new();
    file.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    String::from_utf8(bytes).map_err(|_| io::Error::other("it is not UTF-8 text"))
}

impl Theme {
    /// Names of the built-in themes.
    pub fn shipped() -> impl Iterator<Item = &'static str> {
        SHIPPED.iter().map(|(name, _)| *name)
    }

    /// Returns a built-in theme by its name.
    pub fn named(name: &str) -> Option<Self> {
        Library::default().find(name).ok()
    }

    /// Parses a theme from the text of a file, which may inherit from built-in themes; `file` is its name in messages.
    ///
    /// # Errors
    /// [`LibraryError::Invalid`] names the file, the line, and the problem.
    pub fn parse(file: &str, text: &str) -> Result<Self, LibraryError> {
        Library::default().parse(file, text)
    }
}
