//! Image names: the language and version in `python:3.6`, `cr.example/stable/python-tensorflow:2.1-py36@x86_64` and
//! similar names. This module only reads the text; `registry` knows the images of the machine.

use bai_protocol::language;

/// The prefix of images that name a Jupyter kernel.
pub(super) const JUPYTER: &str = "jupyter:";

/// A parsed image name, `[registry/][path/]name[:tag][@architecture]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageName {
    full: String,
    /// Last part of the path, such as `python` or `python-tensorflow`.
    pub name: String,
    /// The tag after the colon, such as `3.6-ubuntu18.04`.
    pub tag: Option<String>,
}

impl ImageName {
    /// Reads an image name. Any text can be parsed; [`resolve`](super::resolve) tells whether this machine can run it.
    pub fn parse(text: &str) -> Self {
        let full = text.trim().to_owned();
        let (name, tag) = language::name_and_tag(&full);
        let tag = Some(tag.to_owned()).filter(|tag| !tag.is_empty());
        ImageName { name: name.to_ascii_lowercase(), tag, full }
    }

    /// The name as it was written.
    pub fn as_str(&self) -> &str {
        &self.full
    }

    /// The name of a Jupyter kernel: the whole text after `jupyter:`, since a folder's name or a title may contain any character.
    pub(super) fn jupyter_kernel(&self) -> Option<&str> {
        let (prefix, name) = self.full.split_at_checked(JUPYTER.len())?;
        prefix.eq_ignore_ascii_case(JUPYTER).then_some(name.trim())
    }

    /// The language of the name: `r-base` is `r`; a mark such as `py36` in name or tag means `python`.
    pub(super) fn language(&self) -> Option<&'static str> {
        if self.jupyter_kernel().is_some() {
            return Some("jupyter");
        }
        language::of_image(&self.full).map(|language| language.name)
    }

    /// The requested version: the tag's, else the one after the language's name, as in `lua5.4`.
    pub(super) fn version(&self) -> Option<WantedVersion> {
        let digits = self.name.trim_start_matches(|c: char| !c.is_ascii_digit());
        self.leading_version().or_else(|| WantedVersion::parse(digits.split('-').next()?))
    }

    /// The version at the beginning of the tag: `3.6-ubuntu18.04` is 3.6, `3` is 3 with any minor, `latest` gives `None`.
    pub(super) fn leading_version(&self) -> Option<WantedVersion> {
        let tag = self.tag.as_deref()?;
        let head = tag.strip_prefix('v').unwrap_or(tag);
        WantedVersion::parse(head.split(['-', '_', '+']).next()?)
    }

    /// The version in a part like `py36`, `py3` or `py3.10` of the tag or of the name, by which images of frameworks name
    /// their Python.
    pub(super) fn python_mark(&self) -> Option<WantedVersion> {
        let tag = self.tag.as_deref().unwrap_or_default();
        let mut parts = tag.split('-').chain(self.name.split('-'));
        parts.find_map(|part| {
            let digits = part.strip_prefix("python").or_else(|| part.strip_prefix("py"))?;
            if digits.contains('.') {
                return WantedVersion::parse(digits);
            }
            let major = digits.chars().next()?.to_digit(10)?;
            let minor = digits.get(1..).filter(|rest| !rest.is_empty());
            let minor = minor.map(str::parse).transpose().ok()?;
            Some(WantedVersion { major, minor })
        })
    }
}

impl std::fmt::Display for ImageName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.full)
    }
}

/// The version that an image name asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct WantedVersion {
    pub(super) major: u32,
    /// `None` accepts any minor version.
    pub(super) minor: Option<u32>,
}

impl WantedVersion {
    /// How far an installed version is from this one: 0 if it is this one, else the number of minor versions that it is newer.
    /// `None` if it cannot take its place: code breaks with another major version, and with an older minor one.
    pub(super) fn distance(self, major: u32, minor: Option<u32>) -> Option<u32> {
        let newer = match self.minor {
            Some(wanted) => minor.unwrap_or(0).checked_sub(wanted)?,
            None => 0,
        };
        (major == self.major).then_some(newer)
    }

    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('.');
        let major = parts.next()?.parse().ok()?;
        let minor = parts.next().map(str::parse).transpose().ok()?;
        Some(WantedVersion { major, minor })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newer_minor_version_takes_the_place_of_a_wanted_one() {
        let distance = |wanted, major, minor| WantedVersion::parse(wanted).unwrap().distance(major, minor);
        assert_eq!(distance("3.6", 3, Some(6)), Some(0));
        assert_eq!(distance("3.6", 3, Some(13)), Some(7));
        assert_eq!(distance("3", 3, Some(13)), Some(0));
        assert_eq!(distance("21", 21, None), Some(0));
        for (wanted, major, minor) in
            [("3.6", 3, Some(5)), ("2.7", 3, Some(7)), ("9.9", 3, None), ("3.1", 3, None)]
        {
            assert_eq!(distance(wanted, major, minor), None, "{wanted}");
        }
    }

    #[test]
    fn registry_port_tag_and_architecture_are_separated() {
        for (text, name, tag) in [
            ("python", "python", None),
            ("python:", "python", None),
            ("python:3.6", "python", Some("3.6")),
            ("lablup/python:3.6-ubuntu18.04", "python", Some("3.6-ubuntu18.04")),
            ("localhost:5000/python", "python", None),
            ("cr.example:443/stable/Python:3.6@x86_64", "python", Some("3.6")),
            ("python@sha256:abcdef", "python", None),
            ("cr.example/r-base:4.2@sha256:abcdef", "r-base", Some("4.2")),
            ("[::1]:5000/python-tensorflow:2.1-py36", "python-tensorflow", Some("2.1-py36")),
            ("", "", None),
        ] {
            let image = ImageName::parse(text);
            assert_eq!((image.name.as_str(), image.tag.as_deref()), (name, tag), "{text}");
            assert_eq!(image.as_str(), text);
        }
    }

    #[test]
    fn a_jupyter_kernel_may_have_any_name() {
        let kernel = |text| ImageName::parse(text).jupyter_kernel().map(str::to_owned);
        assert_eq!(kernel("jupyter:python3").as_deref(), Some("python3"));
        assert_eq!(kernel("Jupyter: C++ / cling @ home").as_deref(), Some("C++ / cling @ home"));
        assert_eq!(kernel("cr.example/jupyter:1-py3.9"), None);
        assert_eq!(kernel("jupyter"), None);
        assert_eq!(ImageName::parse("jupyter:python3").language(), Some("jupyter"));
        assert_eq!(ImageName::parse("cr.example/jupyter:1-py3.9").language(), Some("python"));
    }

    #[test]
    fn versions_are_found_in_tags() {
        let leading = |text| ImageName::parse(text).leading_version().map(|v| (v.major, v.minor));
        assert_eq!(leading("python:3.6-ubuntu18.04"), Some((3, Some(6))));
        assert_eq!(leading("python:3.6.15"), Some((3, Some(6))));
        assert_eq!(leading("python:3"), Some((3, None)));
        assert_eq!(leading("python:latest"), None);
        assert_eq!(leading("python:3.x"), None);
        let marked = |text| ImageName::parse(text).python_mark().map(|v| (v.major, v.minor));
        assert_eq!(marked("python-tensorflow:2.1-py36"), Some((3, Some(6))));
        assert_eq!(marked("ngc-pytorch:23.05-py310-cuda12.1"), Some((3, Some(10))));
        assert_eq!(marked("jupyter:1-py3.9"), Some((3, Some(9))));
        assert_eq!(marked("x:py3"), Some((3, None)));
        assert_eq!(marked("python3"), Some((3, None)));
        assert_eq!(marked("pytorch:2.1"), None);
        assert_eq!(marked("python:pyé"), None);
    }
}
