//! Which language an image holds, as its name tells. One table for all who ask: the runner, which needs an interpreter,
//! and the prompt, which colours code.

/// Languages, and the names of images that hold them. A name fits as it is, before a hyphen (`r` and `r-base`), and
/// before a version (`lua` and `lua5.4`).
const IMAGES: &[(&str, &[&str])] = &[
    ("bash", &["bash", "sh", "shell"]),
    ("nodejs", &["nodejs", "node", "javascript", "js"]),
    ("ruby", &["ruby", "rb"]),
    ("perl", &["perl"]),
    ("lua", &["lua"]),
    ("php", &["php"]),
    ("sqlite", &["sqlite", "sql"]),
    ("r", &["r", "rstudio"]),
    ("julia", &["julia"]),
    ("octave", &["octave", "matlab"]),
    ("c", &["c", "gcc", "clang", "cc"]),
    ("cpp", &["cpp", "c++", "g++", "cxx", "clang++"]),
    ("rust", &["rust", "rustc"]),
    ("golang", &["golang", "go"]),
    ("java", &["java", "openjdk", "jdk"]),
    ("haskell", &["haskell", "ghc"]),
    ("scheme", &["scheme", "guile"]),
    ("fortran", &["fortran", "gfortran"]),
    ("ocaml", &["ocaml"]),
    ("python", &["python", "cpython", "py", "ipython"]),
];

/// The language of an image's bare name, the registry, path and tag taken off: `r-base` is `r`. `None` when the name does
/// not tell.
pub fn of_name(name: &str) -> Option<&'static str> {
    let name = name.strip_prefix("kernel-").unwrap_or(name);
    let is = |known: &str| {
        let rest = name.strip_prefix(known)?;
        let version = rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
        (version.is_empty() || version.starts_with('-')).then_some(())
    };
    let row = IMAGES.iter().find(|(_, names)| names.iter().any(|known| is(known).is_some()));
    row.map(|&(language, _)| language)
}

#[cfg(test)]
mod tests {
    use super::of_name;

    #[test]
    fn names_of_images_tell_the_language() {
        for (name, language) in [
            ("python", Some("python")),
            ("python3", Some("python")),
            ("python-tensorflow", Some("python")),
            ("kernel-nodejs", Some("nodejs")),
            ("r-base", Some("r")),
            ("rust", Some("rust")),
            ("ruby", Some("ruby")),
            ("gcc", Some("c")),
            ("g++", Some("cpp")),
            ("c++", Some("cpp")),
            ("cpp", Some("cpp")),
            ("lua5.4", Some("lua")),
            ("sqlite3", Some("sqlite")),
            ("julia-gpu", Some("julia")),
            ("golang", Some("golang")),
            ("pytorch", None),
            ("ngc-pytorch", None),
            ("redis", None),
            ("", None),
        ] {
            assert_eq!(of_name(name), language, "{name}");
        }
    }
}
