//! The contrast of two colours, as WCAG 2 defines it.

use super::Rgb;

impl Rgb {
    /// Relative luminance, 0 (black) to 1 (white): WCAG 2.2, "relative luminance".
    pub fn luminance(self) -> f64 {
        let part = |channel: u8| {
            let value = f64::from(channel) / 255.0;
            if value <= 0.040_45 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * part(self.r) + 0.7152 * part(self.g) + 0.0722 * part(self.b)
    }

    /// The contrast between two colours, 1 (the same) to 21 (black on white): WCAG 2.2, "contrast ratio". Text needs
    /// 4.5, signs and lines need 3.
    pub fn contrast(self, other: Self) -> f64 {
        let (a, b) = (self.luminance(), other.luminance());
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contrast_is_what_wcag_says() {
        let rgb = |r, g, b| Rgb { r, g, b };
        let about = |a: Rgb, b: Rgb| (a.contrast(b) * 100.0).round() / 100.0;
        assert_eq!(about(rgb(0, 0, 0), rgb(255, 255, 255)), 21.0);
        assert_eq!(
            about(rgb(119, 119, 119), rgb(255, 255, 255)),
            4.48,
            "#777 on white is the known near miss"
        );
        assert_eq!(about(rgb(9, 9, 9), rgb(9, 9, 9)), 1.0);
    }
}
