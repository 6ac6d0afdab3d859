//! Drawings (`application/x-sorna-drawing`, `docs/wire` §5.2): commands become canvases, which grow from record to
//! record, and canvases become still pictures or animations.

mod command;
mod scene;
mod shape;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use image::RgbaImage;
use resvg::tiny_skia::{Pixmap, Transform};

use super::canvas::Canvas;
use super::frame::{Frame, Frames, PictureError, Still};
pub(in crate::render) use scene::Scene;
use shape::Shape;

/// The most canvases that are kept.
const MAX_CANVASES: usize = 32;

/// The number of pictures for an animated step, and the time for each: 180 ms in total.
const PICTURES: u8 = 6;
const PICTURE: Duration = Duration::from_millis(30);

/// How long the last picture of a step stays.
const PAUSE: Duration = Duration::from_millis(120);

/// The canvases of a session, by number.
#[derive(Debug, Default)]
pub(in crate::render) struct Canvases(BTreeMap<i64, Arc<Scene>>);

impl Canvases {
    /// Applies a record. Returns the canvas of its first command, which is the one to show.
    ///
    /// # Errors
    /// The problem, as part of a sentence.
    pub(in crate::render) fn draw(&mut self, bytes: &[u8]) -> Result<Arc<Scene>, PictureError> {
        let commands = command::read(bytes)
            .map_err(|why| PictureError::Damaged(crate::render::sanitize::line(&why, 100)))?;
        let first = commands.first().ok_or_else(|| PictureError::Damaged("it has no command".to_owned()))?;
        for command in &commands {
            if !self.0.contains_key(&command.canvas) && self.0.len() >= MAX_CANVASES {
                let oldest = self.0.keys().copied().find(|id| *id != first.canvas);
                oldest.and_then(|id| self.0.remove(&id));
            }
            Arc::make_mut(self.0.entry(command.canvas).or_default()).apply(command);
        }
        Ok(self.0.get(&first.canvas).map(Arc::clone).unwrap_or_default())
    }
}

/// The final state of a drawing.
pub(super) fn still(scene: &Scene, canvas: &Canvas) -> Result<Still, PictureError> {
    let pixels = paint(scene, &scene.shapes, canvas).ok_or(PictureError::TooLarge)?;
    Ok(Still { pixels, original: size(scene) })
}

fn size(scene: &Scene) -> (u32, u32) {
    (scene.width.ceil() as u32, scene.height.ceil() as u32)
}

fn paint(scene: &Scene, shapes: &[Shape], canvas: &Canvas) -> Option<RgbaImage> {
    let original = size(scene);
    let (width, height) = canvas.fit(original.0, original.1);
    let mut pixmap = Pixmap::new(width, height)?;
    pixmap.fill(scene.background.to_skia());
    let view = Transform::from_scale(width as f32 / scene.width, height as f32 / scene.height);
    for shape in shapes {
        shape.paint(&mut pixmap, view);
    }
    RgbaImage::from_raw(width, height, pixmap.take_demultiplied())
}

/// The animation of a drawing; `None` if all of its steps are immediate.
pub(super) fn frames(scene: &Arc<Scene>, canvas: Canvas) -> Option<Frames> {
    let moves = scene.steps.iter().any(|step| !step.immediate);
    let scene = Arc::clone(scene);
    let mut shapes = scene.base.clone();
    let mut next = 0;
    let mut picture = 0;
    let play = std::iter::from_fn(move || {
        let step = scene.steps.get(next)?;
        picture = if step.immediate { PICTURES } else { picture + 1 };
        let delay = if picture < PICTURES { PICTURE } else { PICTURE + PAUSE };
        if picture < PICTURES {
            let mut in_transition = shapes.clone();
            let part = eased(f32::from(picture) / f32::from(PICTURES));
            for change in &step.changes {
                let after = change.after.in_transition(shapes.get(change.index), part);
                scene::apply(&mut in_transition, scene::Change { index: change.index, after });
            }
            return paint(&scene, &in_transition, &canvas).map(|pixels| Ok(Frame { pixels, delay }));
        }
        for change in &step.changes {
            scene::apply(&mut shapes, change.clone());
        }
        (next, picture) = (next + 1, 0);
        paint(&scene, &shapes, &canvas).map(|pixels| Ok(Frame { pixels, delay }))
    });
    moves.then(|| Box::new(play) as Frames)
}

/// Quadratic ease-out: fast at first, slow at the end.
fn eased(part: f32) -> f32 {
    1.0 - (1.0 - part) * (1.0 - part)
}

#[cfg(test)]
mod tests;
