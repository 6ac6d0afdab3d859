//! A canvas: its shapes, and the steps in which they were drawn.

use std::collections::HashMap;

use super::command::{DrawingCommand, Value};
use super::shape::{Color, Shape};

/// The most objects on a canvas.
const MAX_OBJECTS: usize = 20_000;

/// The most changes that an animation plays. Older changes are part of its first frame.
const MAX_CHANGES: usize = 10_000;

/// The valid length of a canvas side in pixels.
const SIDE: std::ops::RangeInclusive<f32> = 1.0..=4096.0;

/// The length of a side that is not valid.
const DEFAULT_SIDE: f32 = 400.0;

/// The current state of a canvas, and the steps that led to it.
#[derive(Clone, Debug)]
pub(in crate::render) struct Scene {
    pub(super) width: f32,
    pub(super) height: f32,
    pub(super) background: Color,
    /// The shapes in the order of drawing; later ones are on top.
    pub(super) shapes: Vec<Shape>,
    ids: HashMap<i64, usize>,
    /// The first frame of the animation: the oldest shapes, as they were.
    pub(super) base: Vec<Shape>,
    /// The later changes, in steps that are animated one by one.
    pub(super) steps: Vec<Step>,
    changes: usize,
    immediate: bool,
    /// The number of open groups. The changes of a group are one step.
    open_groups: u32,
    group_begun: bool,
}

/// Changes that happen together.
#[derive(Clone, Debug, Default)]
pub(super) struct Step {
    pub(super) changes: Vec<Change>,
    /// Whether the step is shown at once, without animation.
    pub(super) immediate: bool,
}

/// A new shape, or the new state of a shape.
#[derive(Clone, Debug)]
pub(super) struct Change {
    pub(super) index: usize,
    pub(super) after: Shape,
}

impl Default for Scene {
    fn default() -> Self {
        Self {
            width: DEFAULT_SIDE,
            height: DEFAULT_SIDE,
            background: Color::WHITE,
            shapes: Vec::new(),
            ids: HashMap::new(),
            base: Vec::new(),
            steps: Vec::new(),
            changes: 0,
            immediate: false,
            open_groups: 0,
            group_begun: false,
        }
    }
}

impl Scene {
    /// Applies a command. A command that is not valid has no effect.
    pub(super) fn apply(&mut self, command: &DrawingCommand) {
        let arguments = command.arguments.as_slice();
        match (command.name.as_str(), arguments) {
            ("canvas", _) => *self = Self::sized(arguments),
            ("stop-anim", _) => self.immediate = true,
            ("resume-anim", _) => self.immediate = false,
            ("begin-group", _) => {
                self.open_groups = self.open_groups.saturating_add(1);
                self.group_begun = false;
            }
            ("end-group", _) => self.open_groups = self.open_groups.saturating_sub(1),
            ("obj", [id, Value::List(description), ..]) => {
                if let (Some(id), Some(shape)) = (id.id(), Shape::read(description)) {
                    self.draw(id, shape);
                }
            }
            ("update", [id, property, value, ..]) => {
                if let (Some(id), Some(property)) = (id.id(), property.text()) {
                    self.update(id, property, value);
                }
            }
            // Kernels send begin-fill, end-fill, bgcolor and fgcolor, but these do not affect the drawing.
            _ => {}
        }
    }

    fn sized(arguments: &[Value]) -> Self {
        let side = |index: usize| {
            let requested = arguments.get(index).and_then(Value::number);
            requested.filter(|side| *side >= 1.0).unwrap_or(DEFAULT_SIDE).clamp(*SIDE.start(), *SIDE.end())
        };
        let background = arguments.get(2).and_then(Value::text).and_then(Color::read).unwrap_or(Color::WHITE);
        Self { width: side(0), height: side(1), background, ..Self::default() }
    }

    fn draw(&mut self, id: i64, shape: Shape) {
        if self.ids.contains_key(&id) || self.shapes.len() >= MAX_OBJECTS {
            return;
        }
        let index = self.shapes.len();
        self.ids.insert(id, index);
        self.shapes.push(shape.clone());
        self.record(Change { index, after: shape });
    }

    fn update(&mut self, id: i64, property: &str, value: &Value) {
        let Some(&index) = self.ids.get(&id) else { return };
        let Some(shape) = self.shapes.get_mut(index) else { return };
        if shape.set(property, value) {
            let after = shape.clone();
            self.record(Change { index, after });
        }
    }

    fn record(&mut self, change: Change) {
        let same_step = match self.steps.last() {
            Some(step) if self.immediate => step.immediate,
            Some(_) => self.open_groups > 0 && self.group_begun,
            None => false,
        };
        if !same_step {
            self.steps.push(Step { changes: Vec::new(), immediate: self.immediate });
        }
        self.group_begun = self.open_groups > 0;
        if let Some(step) = self.steps.last_mut() {
            step.changes.push(change);
        }
        self.changes += 1;
        // Drops half of them at once, because dropping them one by one would make each change cost the length of the
        // list.
        if self.changes > MAX_CHANGES {
            self.forget_first_half();
        }
    }

    fn forget_first_half(&mut self) {
        let kept = self.steps.split_off(self.steps.len().div_ceil(2));
        for step in std::mem::replace(&mut self.steps, kept) {
            for change in step.changes {
                apply(&mut self.base, change);
            }
        }
        self.changes = self.steps.iter().map(|step| step.changes.len()).sum();
    }
}

/// Applies a change to a list of shapes, which are drawn in order of their indexes.
pub(super) fn apply(shapes: &mut Vec<Shape>, change: Change) {
    match shapes.get_mut(change.index) {
        Some(shape) => *shape = change.after,
        None => shapes.push(change.after),
    }
}
