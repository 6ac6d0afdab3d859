//! Sound and films inside of HTML, as IPython's `Audio` and `Video` write them: files in `data:` URIs.

use std::borrow::Cow;

use super::data::Medium;

/// How the address of such a file begins.
const BEGINNINGS: [&str; 2] = ["data:audio/", "data:video/"];

/// The most files of one page.
const MAX_FILES: usize = 16;

/// Takes the sound and the films out of HTML. Their addresses in what is left are empty.
pub(in crate::render) fn without_media(html: &str) -> (Cow<'_, str>, Vec<Medium>) {
    let (mut left, mut media) = (String::new(), Vec::new());
    let mut rest = html;
    while let Some(at) = next(rest).filter(|_| media.len() < MAX_FILES) {
        let (before, address) = rest.split_at_checked(at).unwrap_or((rest, ""));
        let end = address.find(['"', '\'', '>']).unwrap_or(address.len());
        let (address, behind) = address.split_at_checked(end).unwrap_or((address, ""));
        let mime = address.strip_prefix("data:").and_then(|address| address.split([';', ',']).next());
        if let Some(Ok(medium)) = mime.map(|mime| Medium::decode(mime, address)) {
            media.push(medium);
            left.push_str(before);
        } else {
            left.push_str(before);
            left.push_str(address);
        }
        rest = behind;
    }
    if media.is_empty() {
        return (html.into(), media);
    }
    left.push_str(rest);
    (left.into(), media)
}

fn next(html: &str) -> Option<usize> {
    BEGINNINGS.iter().filter_map(|beginning| html.find(beginning)).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sound_and_films_are_taken_out() {
        let html = "<audio controls><source src=\"data:audio/wav;base64,UklGRg==\" type=\"audio/wav\" /></audio><b>x</b>\
            <video src='data:video/mp4;base64,AAAA'>";
        let (left, media) = without_media(html);
        assert_eq!(
            left,
            "<audio controls><source src=\"\" type=\"audio/wav\" /></audio><b>x</b><video src=''>"
        );
        let media: Vec<_> = media.iter().map(|medium| (medium.mime.as_str(), &*medium.bytes)).collect();
        assert_eq!(media, [("audio/wav", &b"RIFF"[..]), ("video/mp4", &[0, 0, 0][..])]);
        for other in ["<img src='data:image/png;base64,AA'>", "data:audio/wav;base64,!!", "", "data:video/"] {
            assert_eq!(without_media(other).0, other);
        }
    }
}
