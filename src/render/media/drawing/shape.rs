//! The objects of a drawing: their properties, changes, and painting.

use resvg::tiny_skia::{self, FillRule, Paint, Path, PathBuilder, Pixmap, Stroke, Transform};

use super::command::Value;

/// The width of all lines, in canvas pixels.
const STROKE: f32 = 2.0;

/// A colour with its opacity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Color {
    pub(super) red: u8,
    pub(super) green: u8,
    pub(super) blue: u8,
    pub(super) alpha: u8,
}

impl Color {
    pub(super) const WHITE: Self = Self { red: 255, green: 255, blue: 255, alpha: 255 };
    const BLACK: Self = Self { red: 0, green: 0, blue: 0, alpha: 255 };
    const NONE: Self = Self { red: 255, green: 255, blue: 255, alpha: 0 };

    /// Reads `#rrggbbaa` or `#rrggbb`.
    pub(super) fn read(text: &str) -> Option<Self> {
        let digits = text.strip_prefix('#').filter(|digits| matches!(digits.len(), 6 | 8))?;
        let part = |from: usize| u8::from_str_radix(digits.get(from..from + 2)?, 16).ok();
        Some(Self {
            red: part(0)?,
            green: part(2)?,
            blue: part(4)?,
            alpha: if digits.len() == 8 { part(6)? } else { 255 },
        })
    }

    pub(super) fn to_skia(self) -> tiny_skia::Color {
        tiny_skia::Color::from_rgba8(self.red, self.green, self.blue, self.alpha)
    }

    fn faded(self, opacity: f32) -> Self {
        Self { alpha: (f32::from(self.alpha) * opacity.clamp(0.0, 1.0)) as u8, ..self }
    }

    fn between(self, other: Self, part: f32) -> Self {
        let mix = |from: u8, to: u8| between(f32::from(from), f32::from(to), part).round() as u8;
        Self {
            red: mix(self.red, other.red),
            green: mix(self.green, other.green),
            blue: mix(self.blue, other.blue),
            alpha: mix(self.alpha, other.alpha),
        }
    }
}

fn between(from: f32, to: f32, part: f32) -> f32 {
    from + (to - from) * part
}

/// The kind of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Line,
    Circle,
    Rect,
    Triangle,
}

/// An object. Its position is its centre, except for lines.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Shape {
    kind: Kind,
    /// The centre, or the start of a line.
    x: f32,
    y: f32,
    /// Width and height, the diameter, or the end of a line.
    width: f32,
    height: f32,
    border: Color,
    fill: Color,
    /// In degrees, clockwise.
    angle: f32,
}

impl Shape {
    /// Reads an object's description.
    pub(super) fn read(description: &[Value]) -> Option<Self> {
        let number = |index: usize| description.get(index).and_then(Value::number);
        let color = |index: usize, other| {
            description.get(index).and_then(Value::text).and_then(Color::read).unwrap_or(other)
        };
        let shape = |kind, width, height, rest: usize| {
            Some(Self {
                kind,
                x: number(1)?,
                y: number(2)?,
                width,
                height,
                border: color(rest, Color::BLACK),
                fill: color(rest + 1, Color::NONE),
                angle: number(rest + 2).unwrap_or(0.0),
            })
        };
        match description.first()?.text()? {
            "line" => shape(Kind::Line, number(3)?, number(4)?, 5).map(|line| Self { angle: 0.0, ..line }),
            "circle" => shape(Kind::Circle, number(3)?, number(3)?, 4),
            "rect" => shape(Kind::Rect, number(3)?, number(4)?, 5),
            "triangle" => shape(Kind::Triangle, number(3)?, number(4)?, 5),
            _ => None,
        }
    }

    /// Sets a property. Returns false if the object does not have the property or the value is not valid.
    pub(super) fn set(&mut self, property: &str, value: &Value) -> bool {
        let is_line = self.kind == Kind::Line;
        let slot = match (property, is_line) {
            ("x", false) | ("x1", true) => &mut self.x,
            ("y", false) | ("y1", true) => &mut self.y,
            ("x2", true) => &mut self.width,
            ("y2", true) => &mut self.height,
            ("radius", false) if self.kind == Kind::Circle => &mut self.width,
            ("angle", _) => &mut self.angle,
            ("rotate", _) => {
                let Some(degrees) = value.number() else { return false };
                self.angle = (self.angle + degrees) % 360.0;
                return true;
            }
            ("color", true) | ("border", false) => return set_color(&mut self.border, value),
            ("fill", false) => return set_color(&mut self.fill, value),
            _ => return false,
        };
        value.number().map(|number| *slot = number).is_some()
    }

    /// The state of an object between `before` and this one. Without `before` the object is appearing.
    pub(super) fn in_transition(&self, before: Option<&Self>, part: f32) -> Self {
        let Some(before) = before else { return self.appearing(part) };
        Self {
            kind: self.kind,
            x: between(before.x, self.x, part),
            y: between(before.y, self.y, part),
            width: between(before.width, self.width, part),
            height: between(before.height, self.height, part),
            border: before.border.between(self.border, part),
            fill: before.fill.between(self.fill, part),
            angle: between(before.angle, self.angle, part),
        }
    }

    /// A line grows from its start; other objects fade in and grow.
    fn appearing(&self, part: f32) -> Self {
        if self.kind == Kind::Line {
            let (width, height) = (between(self.x, self.width, part), between(self.y, self.height, part));
            return Self { width, height, ..self.clone() };
        }
        Self {
            width: self.width * part,
            height: self.height * part,
            border: self.border.faded(part),
            fill: self.fill.faded(part),
            ..self.clone()
        }
    }

    /// Paints the object; `view` maps the canvas to the pixels.
    pub(super) fn paint(&self, pixmap: &mut Pixmap, view: Transform) {
        let Some(path) = self.path() else { return };
        let centre = match self.kind {
            Kind::Line => (f32::midpoint(self.x, self.width), f32::midpoint(self.y, self.height)),
            _ => (self.x, self.y),
        };
        let placed = view.pre_concat(Transform::from_rotate_at(self.angle, centre.0, centre.1));
        let mut paint = Paint { anti_alias: true, ..Paint::default() };
        if self.kind != Kind::Line && self.fill.alpha > 0 {
            paint.set_color(self.fill.to_skia());
            pixmap.fill_path(&path, &paint, FillRule::Winding, placed, None);
        }
        if self.border.alpha > 0 {
            paint.set_color(self.border.to_skia());
            let stroke = Stroke { width: STROKE, ..Stroke::default() };
            pixmap.stroke_path(&path, &paint, &stroke, placed, None);
        }
    }

    fn path(&self) -> Option<Path> {
        let (x, y, width, height) = (self.x, self.y, self.width, self.height);
        let mut path = PathBuilder::new();
        match self.kind {
            Kind::Line => {
                path.move_to(x, y);
                path.line_to(width, height);
            }
            Kind::Circle => return PathBuilder::from_circle(x, y, width.abs()),
            Kind::Rect | Kind::Triangle => {
                let (left, right) = (x - width / 2.0, x + width / 2.0);
                let (top, bottom) = (y - height / 2.0, y + height / 2.0);
                if self.kind == Kind::Rect {
                    path.move_to(left, top);
                    path.line_to(right, top);
                } else {
                    path.move_to(x, top);
                }
                path.line_to(right, bottom);
                path.line_to(left, bottom);
                path.close();
            }
        }
        path.finish()
    }
}

fn set_color(slot: &mut Color, value: &Value) -> bool {
    value.text().and_then(Color::read).map(|color| *slot = color).is_some()
}
