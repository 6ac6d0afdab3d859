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

/// The bare name and the tag in an image name: registry, path, digest and architecture are taken off, and so
/// `cr.example:5000/stable/Python:3.6@x86_64` is `Python` and `3.6`. The tag may be empty.
pub fn name_and_tag(image: &str) -> (&str, &str) {
    let without_digest = image.split_once('@').map_or(image, |(name, _)| name);
    // A colon before the last slash belongs to the registry's port.
    let last = without_digest.rsplit('/').next().unwrap_or_default();
    last.split_once(':').unwrap_or((last, ""))
}

/// The language of an image. Images of frameworks tell it by the version of Python that they carry, which is a part like
/// `py36` or `py3.10` of the tag or of the name.
pub fn of_image(image: &str) -> Option<&'static str> {
    let (name, tag) = name_and_tag(image.trim());
    let name = name.to_ascii_lowercase();
    let is_version = |part: &str| {
        let version = part.strip_prefix("python").or_else(|| part.strip_prefix("py")).unwrap_or_default();
        version.starts_with(|c: char| c.is_ascii_digit())
            && version.chars().all(|c| c.is_ascii_digit() || c == '.')
    };
    let marked = || tag.split('-').chain(name.split('-')).any(is_version);
    of_name(&name).or_else(|| marked().then_some("python"))
}

#[cfg(test)]
mod tests {
    use super::{name_and_tag, of_image, of_name};

    #[test]
    fn images_tell_the_language_however_they_are_written() {
        for (image, name, tag, language) in [
            ("python-tensorflow:2.1-py36", "python-tensorflow", "2.1-py36", Some("python")),
            ("lablup/kernel-nodejs:20", "kernel-nodejs", "20", Some("nodejs")),
            ("cr.example:443/stable/R-base:4.2@x86_64", "R-base", "4.2", Some("r")),
            ("localhost:5000/gcc", "gcc", "", Some("c")),
            ("[::1]:5000/python:3.6", "python", "3.6", Some("python")),
            ("python@sha256:abcdef", "python", "", Some("python")),
            ("cr.example/python:3.6@sha256:abcdef", "python", "3.6", Some("python")),
            ("ngc-pytorch:23.05-py310-cuda12.1", "ngc-pytorch", "23.05-py310-cuda12.1", Some("python")),
            ("ngc-tensorflow:20.03-tf2-py3", "ngc-tensorflow", "20.03-tf2-py3", Some("python")),
            ("x/y:1-py3.10@aarch64", "y", "1-py3.10", Some("python")),
            ("pytorch:2.1", "pytorch", "2.1", None),
            ("redis:7-pypy", "redis", "7-pypy", None),
            ("", "", "", None),
        ] {
            assert_eq!(name_and_tag(image), (name, tag), "{image}");
            assert_eq!(of_image(image), language, "{image}");
        }
    }

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
