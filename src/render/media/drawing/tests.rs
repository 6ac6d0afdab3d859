use super::*;
use proptest::prelude::*;
use serde_json::{Value, json};

const CANVAS: Canvas = Canvas::of_cells(20, 10);

/// Packs a record as the kernel sends it.
fn packed(commands: &Value) -> Vec<u8> {
    rmp_serde::to_vec(commands).unwrap()
}

fn canvas(rest: &[Value]) -> Value {
    let mut commands = vec![json!([0, "canvas", 100, 80, "#ffffffff", "#000000ff"])];
    commands.extend(rest.iter().cloned());
    Value::Array(commands)
}

/// Returns the colour of a pixel.
fn at(scene: &Scene, x: u32, y: u32) -> [u8; 4] {
    still(scene, &CANVAS).unwrap().pixels.get_pixel(x, y).0
}

const WHITE: [u8; 4] = [255; 4];

#[test]
fn every_kind_of_object_is_drawn_around_its_centre() {
    let mut canvases = Canvases::default();
    let scene = canvases
        .draw(&packed(&canvas(&[
            json!([0, "obj", 0, ["line", 0, 70, 100, 70, "#0000ffff"]]),
            json!([0, "obj", 1, ["circle", 20, 20, 10, "#ff0000ff", "#00ff00ff", 0]]),
            json!([0, "obj", 2, ["rect", 50, 20, 20, 10, "#000000ff", "#ffff00ff", 0]]),
            json!([0, "obj", 3, ["triangle", 80, 30, 20, 40, "#ff0000ff", "#ffc8c8ff", 0.0]]),
        ])))
        .unwrap();
    assert_eq!(still(&scene, &CANVAS).unwrap().original, (100, 80));
    assert_eq!(at(&scene, 50, 70), [0, 0, 255, 255]);
    assert_eq!((at(&scene, 20, 20), at(&scene, 30, 20)), ([0, 255, 0, 255], [255, 0, 0, 255]));
    assert_eq!((at(&scene, 42, 20), at(&scene, 50, 27)), ([255, 255, 0, 255], WHITE));
    // The apex is above, the base below.
    assert_eq!((at(&scene, 80, 45), at(&scene, 73, 14)), ([255, 200, 200, 255], WHITE));
}

#[test]
fn every_property_can_be_changed() {
    let mut canvases = Canvases::default();
    let drawn = canvas(&[
        json!([0, "obj", 0, ["rect", 20, 20, 30, 4, "#000000ff", "#000000ff", 0]]),
        json!([0, "obj", 1, ["line", 0, 70, 10, 70, "#000000ff"]]),
        json!([0, "obj", 2, ["circle", 80, 20, 2, "#000000ff", "#000000ff", 0]]),
    ]);
    canvases.draw(&packed(&drawn)).unwrap();
    let changed = json!([
        [0, "update", 0, "rotate", 60],
        [0, "update", 0, "rotate", 30],
        [0, "update", 0, "fill", "#ff0000ff"],
        [0, "update", 0, "border", "#ff0000ff"],
        [0, "update", 1, "x2", 90],
        [0, "update", 1, "color", "#00ff00ff"],
        [0, "update", 2, "radius", 12],
        [0, "update", 2, "x", 70],
        [0, "update", 9, "x", 1],
        [0, "update", 2, "wings", 2],
    ]);
    let scene = canvases.draw(&packed(&changed)).unwrap();
    assert_eq!((at(&scene, 20, 32), at(&scene, 32, 20)), ([255, 0, 0, 255], WHITE), "it is upright now");
    assert_eq!(at(&scene, 60, 70), [0, 255, 0, 255]);
    assert_eq!((at(&scene, 60, 20), at(&scene, 88, 20)), ([0, 0, 0, 255], WHITE));
}

#[test]
fn records_grow_one_canvas_and_numbers_keep_canvases_apart() {
    let mut canvases = Canvases::default();
    let dot = |canvas: u8, id: u8, x: u8| {
        json!([canvas, "obj", id, ["circle", x, 40, 5, "#000000ff", "#000000ff", 0]])
    };
    canvases.draw(&packed(&canvas(&[dot(0, 0, 20)]))).unwrap();
    canvases
        .draw(&packed(&json!([[1, "canvas", 100, 80, "#ff0000ff", "#000000ff"], dot(1, 0, 60)])))
        .unwrap();
    let scene = canvases.draw(&packed(&json!([dot(0, 1, 80), dot(0, 1, 50)]))).unwrap();
    let black = [0, 0, 0, 255];
    assert_eq!([20, 80, 60, 50].map(|x| at(&scene, x, 40)), [black, black, WHITE, WHITE]);
    let other = canvases.draw(&packed(&json!([[1, "end-fill"]]))).unwrap();
    assert_eq!((at(&other, 60, 40), at(&other, 20, 40)), (black, [255, 0, 0, 255]));
    let cleared = canvases.draw(&packed(&canvas(&[]))).unwrap();
    assert_eq!(at(&cleared, 20, 40), WHITE, "the command canvas clears it");
    for number in 0..100 {
        canvases.draw(&packed(&json!([[number, "canvas", 9, 9, "#000000ff", "#000000ff"]]))).unwrap();
    }
    assert!(canvases.0.len() <= MAX_CANVASES);
}

#[test]
fn drawings_in_json_are_read_too() {
    let text =
        canvas(&[json!([0, "obj", 0, ["circle", 50, 40, 9, "#000000ff", "#000000ff", 0]])]).to_string();
    let scene = Canvases::default().draw(text.as_bytes()).unwrap();
    assert_eq!(at(&scene, 50, 40), [0, 0, 0, 255]);
}

#[test]
fn an_animation_plays_all_steps_to_the_final_picture() {
    let dot = |id: u8, x: u8| json!([0, "obj", id, ["circle", x, 40, 5, "#000000ff", "#000000ff", 0]]);
    let scene = Canvases::default()
        .draw(&packed(&canvas(&[
            json!([0, "stop-anim"]),
            dot(0, 10),
            dot(1, 20),
            json!([0, "resume-anim"]),
            dot(2, 30),
            json!([0, "begin-group"]),
            dot(3, 40),
            json!([0, "update", 0, "y", 70]),
            json!([0, "end-group"]),
            dot(4, 50),
        ])))
        .unwrap();
    let pictures: Vec<Frame> = frames(&scene, CANVAS).unwrap().map(Result::unwrap).collect();
    assert_eq!(
        pictures.len(),
        1 + 3 * usize::from(PICTURES),
        "what is immediate is one picture, a group is one step"
    );
    assert_eq!(pictures.last().unwrap().pixels, still(&scene, &CANVAS).unwrap().pixels);
    let black = [0, 0, 0, 255];
    let first = &pictures[0].pixels;
    assert_eq!((first.get_pixel(20, 40).0, first.get_pixel(30, 40).0), (black, WHITE));

    let at_once = Canvases::default().draw(&packed(&canvas(&[json!([0, "stop-anim"]), dot(0, 10)]))).unwrap();
    assert!(frames(&at_once, CANVAS).is_none());
}

#[test]
fn the_turtle_draws_its_way() {
    let scene = Canvases::default()
        .draw(&packed(&canvas(&[
            json!([0, "obj", 0, ["triangle", 50, 40, 12, 18, "#ff0000ff", "#ffc8c8ff", 90]]),
            json!([0, "begin-group"]),
            json!([0, "obj", 1, ["line", 50, 40, 80, 40, "#ff000080"]]),
            json!([0, "update", 0, "x", 80]),
            json!([0, "end-group"]),
        ])))
        .unwrap();
    let [red, green, ..] = at(&scene, 60, 40);
    assert!(red == 255 && (100..160).contains(&green), "half transparent on white");
    assert_eq!(at(&scene, 80, 40), [255, 200, 200, 255]);
}

#[test]
fn too_much_is_refused_and_nonsense_is_ignored() {
    let object = packed(&json!([0, "obj", 0, ["circle", 1, 1, 1, "#000000ff", "#000000ff", 0]]));
    let mut million = vec![0xdd, 0, 0x0f, 0x42, 0x40];
    million.extend(object.iter().copied().cycle().take(object.len() * 1_000_000));
    assert!(Canvases::default().draw(&million).is_err());

    let many: Vec<_> = (0..60_000)
        .map(|id| json!([0, "obj", id, ["circle", id % 100, 40, 1, "#000000ff", "#000000ff", 0]]))
        .collect();
    let scene = Canvases::default().draw(&packed(&canvas(&many))).unwrap();
    assert_eq!(scene.shapes.len(), 20_000);
    assert!(scene.steps.len() <= 10_000);
    let first = frames(&scene, CANVAS).unwrap().next().unwrap().unwrap();
    assert_eq!(first.pixels.dimensions(), (100, 80));

    let mut nan = packed(&json!([[0, "canvas", 100, 80, "#ffffffff", "#000000ff"]]));
    // [0, "obj", 0, ["circle", NaN, inf, -1, …]] by hand, because JSON knows neither.
    nan[0] = 0x92;
    nan.extend_from_slice(&[0x94, 0, 0xa3, b'o', b'b', b'j', 0, 0x94, 0xa6]);
    nan.extend_from_slice(b"circle\xcb\x7f\xf8\0\0\0\0\0\0\xcb\x7f\xf0\0\0\0\0\0\0\xff");
    let scene = Canvases::default().draw(&nan).unwrap();
    assert!(scene.shapes.is_empty());

    for nonsense in
        [&b""[..], b"\xc1", b"[", b"{}", b"\x93\x01", b"\xdd\xff\xff\xff\xff", b"[[[[[[1]]]]]]", b"[]"]
    {
        assert!(Canvases::default().draw(nonsense).is_err(), "{nonsense:?}");
    }
    assert!(Canvases::default().draw("[".repeat(100_000).as_bytes()).is_err());
    assert!(Canvases::default().draw(&[0x91].repeat(100_000)).is_err());
    let huge = json!([
        [0, "canvas", 1e9, -1, "red", 7],
        [0, "obj", 0, ["rect", 0, 0, 1e300, 1e300, "", "#12", "x"]]
    ]);
    let scene = Canvases::default().draw(&packed(&huge)).unwrap();
    let still = still(&scene, &CANVAS).unwrap();
    assert!(still.pixels.width() <= 160 && still.pixels.height() <= 160);
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        (-1e6..1e6_f64).prop_map(|number| json!(number)),
        any::<i64>().prop_map(|number| json!(number)),
        "#[0-9a-f]{6,8}".prop_map(Value::String),
        Just(Value::Null),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_commands_are_drawn_within_the_canvas(
        commands in prop::collection::vec(
            (
                prop::sample::select(vec!["canvas", "obj", "update", "stop-anim", "resume-anim", "begin-group", "end-group", "x"]),
                0..4_i64,
                prop::sample::select(vec!["line", "circle", "rect", "triangle", "rotate", "radius", "x", "fill"]),
                prop::collection::vec(value(), 0..9),
            ),
            0..40,
        )
    ) {
        let commands: Vec<Value> = commands
            .into_iter()
            .map(|(name, id, word, values)| match name {
                "obj" => {
                    let description = [vec![json!(word)], values].concat();
                    json!([0, name, id, description])
                }
                "update" => json!([0, name, id, word, values.first()]),
                _ => Value::Array([vec![json!(0), json!(name)], values].concat()),
            })
            .collect();
        if let Ok(scene) = Canvases::default().draw(&packed(&Value::Array(commands))) {
            let still = still(&scene, &CANVAS).unwrap();
            prop_assert!(still.pixels.width() <= 160 && still.pixels.height() <= 160);
            if let Some(mut frames) = frames(&scene, CANVAS) {
                prop_assert!(frames.all(|frame| frame.is_ok()));
            }
        }
    }

    #[test]
    fn any_bytes_are_a_drawing_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = Canvases::default().draw(&bytes);
    }
}
