//! The body of a media record (`docs/wire` §5.1): a `data:` URI for raster images, XML for SVG, base64 or text for
//! other types.

use std::sync::Arc;

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// The most bytes of a record's body that are decoded: several times the size of a large plot.
const MAX_ENCODED: usize = 96 * 1024 * 1024;

/// The MIME type of a drawing.
pub(in crate::render) const DRAWING: &str = "application/x-sorna-drawing";

/// A medium, decoded from its record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Medium {
    /// The MIME type from the program. Untrusted text.
    pub mime: String,
    /// The bytes of the file.
    pub bytes: Arc<[u8]>,
}

/// Padding is often missing, and a reader does not need it.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

impl Medium {
    /// Decodes the body of a record. Whitespace in base64 is ignored. A body that is not a `data:` URI is the file
    /// itself.
    ///
    /// # Errors
    /// The problem, as part of a sentence.
    pub fn decode(mime: &str, body: &str) -> Result<Self, &'static str> {
        if body.len() > MAX_ENCODED {
            return Err("larger than 96 MiB");
        }
        let is_uri = body.trim_start().get(..5).is_some_and(|start| start.eq_ignore_ascii_case("data:"));
        let bytes = if is_uri {
            let (head, tail) = body.split_once(',').ok_or("a data URI without a comma")?;
            if head.trim_end().to_ascii_lowercase().ends_with("base64") {
                base64(tail)?
            } else {
                percent_encoding::percent_decode_str(tail).collect()
            }
        } else if is_raster(mime) {
            base64(body).map_err(|_| "neither a data URI nor base64")?
        } else if essence(mime) == DRAWING && !body.trim_start().starts_with('[') {
            base64(body)?
        } else {
            body.as_bytes().to_vec()
        };
        Ok(Self { mime: mime.to_owned(), bytes: bytes.into() })
    }
}

/// Whether this type is sent as base64.
pub(in crate::render) fn is_raster(mime: &str) -> bool {
    let mime = essence(mime);
    mime.starts_with("image/") && mime != "image/svg+xml"
}

/// Returns a MIME type in lower case, without its parameters.
pub(in crate::render) fn essence(mime: &str) -> String {
    mime.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

fn base64(text: &str) -> Result<Vec<u8>, &'static str> {
    // Most bodies are a single word in the first alphabet and need no cleaning.
    LENIENT.decode(text).or_else(|_| LENIENT.decode(clean(text))).map_err(|_| "not valid base64")
}

fn clean(text: &str) -> Vec<u8> {
    let letters = text.bytes().filter(|byte| !byte.is_ascii_whitespace());
    letters
        .map(|byte| match byte {
            b'-' => b'+',
            b'_' => b'/',
            byte => byte,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(mime: &str, body: &str) -> Result<Vec<u8>, &'static str> {
        Medium::decode(mime, body).map(|medium| medium.bytes.to_vec())
    }

    #[test]
    fn data_uris_are_read_leniently() {
        for body in [
            "data:image/png;base64,aGVsbG8=",
            "data:image/png;base64,aGVsbG8",
            " \ndata:image/png;base64, aGVs\r\nbG8=\n",
            "DATA:image/png;charset=x;BASE64,aGVsbG8=",
            "aGVsbG8=",
        ] {
            assert_eq!(decode("image/png", body).unwrap(), b"hello", "{body:?}");
        }
        assert_eq!(decode("image/png", "data:image/png;base64,-_-_").unwrap(), [0xfb, 0xff, 0xbf]);
        assert_eq!(decode("text/x", "data:,a%20b").unwrap(), b"a b");
        assert_eq!(decode("image/svg+xml", "<svg/>").unwrap(), b"<svg/>");
    }

    #[test]
    fn an_invalid_medium_is_an_error() {
        assert!(decode("image/png", "data:image/png;base64,!!!").is_err());
        assert!(decode("image/png", "data:image/png;base64").is_err());
        assert!(decode("image/png", "<html>not a picture</html>").is_err());
        assert!(decode("image/png", &"A".repeat(MAX_ENCODED + 1)).is_err());
        assert_eq!(decode("image/png", "").unwrap(), b"");
    }
}
