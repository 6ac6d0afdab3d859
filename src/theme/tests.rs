use proptest::prelude::*;

use super::*;

const BLACK: Rgb = Rgb { r: 0, g: 0, b: 0 };
const WHITE: Rgb = Rgb { r: 255, g: 255, b: 255 };

fn themes() -> impl Iterator<Item = Theme> {
    Theme::shipped().map(|name| Theme::named(name).unwrap_or_else(|| panic!("{name} is invalid")))
}

fn problem(text: &str) -> String {
    Theme::parse("my.toml", text).unwrap_err().to_string()
}

/// The foreground and background of a role at this colour depth.
fn shown_colors(theme: &Theme, role: Role, depth: ColorDepth, background: Rgb) -> Option<(Rgb, Rgb)> {
    let style = theme.style(role);
    let fit = |color: Option<Color>| color.and_then(|color| color.fit(depth)).map(Color::to_rgb);
    let (fg, bg) = (fit(style.fg)?, fit(style.bg).unwrap_or(background));
    Some(if style.reverse { (bg, fg) } else { (fg, bg) })
}

#[test]
fn every_shipped_theme_can_be_read_on_its_background() {
    for theme in themes() {
        let Some(own) = theme.background() else {
            assert_eq!(theme.name(), "monochrome");
            continue;
        };
        assert_eq!(own.is_light(), theme.is_light(), "{}", theme.name());
        let scheme = if theme.is_light() { WHITE } else { BLACK };
        let high = theme.name().starts_with("high-contrast");
        for (depth, background, text) in [
            (ColorDepth::TrueColor, own, if high { 7.0 } else { 4.5 }),
            // The nearest of few colours differs a little; WCAG's limit for large text always holds.
            (ColorDepth::Ansi256, own, if high { 7.0 } else { 3.9 }),
            (ColorDepth::Ansi16, scheme, 3.9),
        ] {
            for &role in Role::ALL {
                let Some((fg, bg)) = shown_colors(&theme, role, depth, background) else { continue };
                let least = if role.is_decoration() { 3.0 } else { text };
                let contrast = fg.contrast(bg);
                assert!(
                    contrast >= least,
                    "{} {} {depth:?}: {fg:?} on {bg:?} is {contrast:.2} to 1",
                    theme.name(),
                    role.key()
                );
            }
        }
    }
}

#[test]
fn a_theme_has_a_colour_where_others_have_one() {
    let dark = Theme::named("dark").unwrap();
    for theme in themes().filter(|theme| theme.name() != "monochrome") {
        for &role in Role::ALL {
            let colored = |theme: &Theme| theme.style(role).fg.is_some() || theme.style(role).bg.is_some();
            assert!(!colored(&dark) || colored(&theme), "{} {}", theme.name(), role.key());
        }
        for depth in [ColorDepth::TrueColor, ColorDepth::Ansi256, ColorDepth::Ansi16, ColorDepth::None] {
            let sgr = |role| theme.style(role).sgr(depth);
            for marked in [Role::PaneSelected, Role::PaneMatch, Role::StatusBar] {
                assert!(!sgr(marked).is_empty(), "{} {} {depth:?}", theme.name(), marked.key());
            }
            assert_ne!(sgr(Role::FooterOk), sgr(Role::Error), "{} {depth:?}", theme.name());
        }
    }
}

/// A colour as a person without receptors for red or green sees it: Viénot, Brettel and Mollon 1999, in linear light.
fn seen_without(red: bool, color: Rgb) -> [f64; 3] {
    let linear = |channel: u8| (f64::from(channel) / 255.0).powf(2.2);
    let (r, g, b) = (linear(color.r), linear(color.g), linear(color.b));
    let mixed = if red { 0.112_38 * r + 0.887_62 * g } else { 0.292_75 * r + 0.707_25 * g };
    let blue = if red { 0.004_01 * r - 0.004_01 * g + b } else { -0.022_34 * r + 0.022_34 * g + b };
    [mixed, mixed, blue.clamp(0.0, 1.0)].map(|value| value.powf(1.0 / 2.2))
}

#[test]
fn colorblind_themes_keep_success_and_failure_distinct() {
    for theme in themes().filter(|theme| theme.name().starts_with("colorblind")) {
        let color = |role| theme.style(role).fg.unwrap().to_rgb();
        for (a, b) in [(Role::PaneGood, Role::PaneBad), (Role::Prompt, Role::Error), (Role::Key, Role::Error)]
        {
            for red in [true, false] {
                let (a, b) = (seen_without(red, color(a)), seen_without(red, color(b)));
                let apart: f64 = a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
                assert!(apart > 0.3, "{}: {a:?} {b:?} are {apart:.2} apart", theme.name());
            }
        }
    }
}

#[test]
fn the_background_chooses_the_theme() {
    let library = Library::default();
    let chosen = |background, depth| library.default_for(background, depth).unwrap().name().to_owned();
    let navy = Rgb { r: 0, g: 0, b: 80 };
    assert_eq!(chosen(Some(WHITE), ColorDepth::Ansi256), "light");
    assert_eq!(chosen(Some(navy), ColorDepth::Ansi256), "dark");
    assert_eq!(chosen(None, ColorDepth::Ansi16), "dark");
    assert_eq!(chosen(Some(WHITE), ColorDepth::None), "monochrome");
}

#[test]
fn no_colour_is_sent_where_none_may_be() {
    for theme in themes() {
        for role in Role::ALL {
            let sgr = theme.style(*role).sgr(ColorDepth::None);
            let codes = sgr.trim_start_matches("\x1b[").trim_end_matches('m');
            assert!(
                codes.split(';').all(|code| matches!(code, "" | "1" | "2" | "3" | "4" | "7" | "9")),
                "{} {role:?}: {sgr:?}",
                theme.name()
            );
        }
    }
}

#[test]
fn paint_leaves_plain_text_alone() {
    assert_eq!(Theme::plain().paint(Role::Error, ColorDepth::TrueColor, "x"), "x");
    let dark = Theme::named("dark").unwrap();
    let painted = dark.paint(Role::Error, ColorDepth::Ansi16, "x");
    assert_eq!(painted, "\x1b[1;91mx\x1b[0m");
}

#[test]
fn a_file_gives_its_styles() {
    let theme = Theme::parse(
        "t.toml",
        "name = \"t\"\nlight = true\n[palette]\nsea = \"#0a0b0c\"\n[styles]\nprompt = \"sea\"\nerror = { fg = \"bright-red\", bg = \"17\", bold = true }\n[syntax]\nkeyword = \"208\"\ncomment = {}\n",
    )
    .unwrap();
    assert!(theme.is_light());
    assert_eq!(theme.style(Role::Prompt).fg, Some(Color::Rgb(Rgb { r: 10, g: 11, b: 12 })));
    let error =
        Style { fg: Some(Color::Ansi(9)), bg: Some(Color::Indexed(17)), bold: true, ..Style::default() };
    assert_eq!(theme.style(Role::Error), error);
    assert_eq!(theme.style(Role::Keyword).fg, Some(Color::Indexed(208)));
    assert_eq!(theme.style(Role::Comment), Style::default(), "plain if the file says so");
    assert!(theme.style(Role::PaneSelected).reverse, "a missing style comes from monochrome");
}

#[test]
fn a_theme_inherits_styles_and_colours() {
    let theme = Theme::parse(
        "t.toml",
        "inherit = \"nord\"\n[palette]\ngreen = \"#00ff00\"\nblue = [\"#0000ff\", \"cyan\"]\n[styles]\nspinner = \"bright-red\"\n",
    )
    .unwrap();
    let nord = Theme::named("nord").unwrap();
    assert_eq!(theme.background(), nord.background());
    assert_eq!(theme.style(Role::Keyword), nord.style(Role::Keyword));
    let green = Rgb { r: 0, g: 255, b: 0 };
    assert_eq!(theme.style(Role::Prompt).fg, Some(Color::Paired(green, 10)), "keeps its substitute");
    assert!(theme.style(Role::Prompt).bold, "the style is dark's, the colour is the file's");
    assert_eq!(theme.style(Role::Function).fg, Some(Color::Paired(Rgb { r: 0, g: 0, b: 255 }, 6)));
    assert_eq!(theme.style(Role::Spinner).fg, Some(Color::Ansi(9)));
}

#[test]
fn an_error_is_reported_with_file_and_line() {
    for (text, expected) in [
        ("[styles]\nprompt = \"redd\"\n", "my.toml:2: \"redd\" is not a colour; write red"),
        (
            "[styles]\npromt = \"red\"\n",
            "my.toml:2: \"promt\" is not a part that [styles] can style; known here",
        ),
        (
            "[syntax]\nprompt = \"red\"\n",
            "my.toml:2: \"prompt\" is not a part that [syntax] can style; it belongs to [styles]",
        ),
        ("\n[palette]\na = \"#12\"\n", "my.toml:3: \"#12\" is not a colour"),
        ("[palette]\na = [\"#112233\", \"mauve\"]\n", "my.toml:2: \"mauve\" is not one of the sixteen"),
        ("[palette]\na = [\"red\", \"blue\"]\n", "my.toml:2: \"red\" needs no substitute"),
        ("[palette]\na = [\"#112233\"]\n", "my.toml:2: a colour of the palette is"),
        ("[palette]\na = 7\n", "my.toml:2: a colour of the palette is"),
        ("[styles]\nprompt = { fgg = \"red\" }\n", "my.toml:2: a style is a colour or a table"),
        ("[styles]\nprompt = { bold = 1 }\n", "my.toml:2: a style is a colour or a table"),
        ("[styles]\nprompt = 3\n", "my.toml:2: a style is a colour or a table"),
        ("[styles]\nprompt = \"#+12345\"\n", "my.toml:2: \"#+12345\" is not a colour"),
        ("[styles]\nprompt = \"red\"\nprompt = \"blue\"\n", "my.toml:3: duplicate key"),
        ("[styles]\nprompt = \n", "my.toml:2: "),
        ("[styles]\n\u{1b}[31m = 1\n", "my.toml:2: "),
        ("[nonsense]\n", "my.toml:1: unknown field `nonsense`"),
        ("light = \"yes\"\n", "my.toml:1: invalid type"),
        ("background = \"red\"\n", "my.toml:1: a background has the form #rrggbb"),
        ("name = \"other\"\n", "my.toml:1: a theme has the name of its file: \"my\""),
        (
            "light = true\ninherit = \"nobody\"\n",
            "my.toml:2: there is no theme \"nobody\"; there are: dark, light",
        ),
        ("inherit = 3\n", "my.toml:1: invalid type"),
        ("inherit = \"../../etc/passwd\"\n", "my.toml:1: there is no theme"),
        ("\u{feff}\0\0", "my.toml:1: "),
    ] {
        let problem = problem(text);
        assert!(problem.starts_with(expected), "{text:?}: {problem}");
        assert!(!problem.contains('\x1b'), "{problem:?}");
    }
    assert!(problem(&"#".repeat(300_000)).starts_with("my.toml:1: it is larger than"));
}

#[test]
fn a_folder_of_the_users_own_comes_first() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &[u8]| std::fs::write(folder.path().join(name), text).unwrap();
    write("mine.toml", b"inherit = 'dark'\n[styles]\nprompt = '1'\n");
    write("child.toml", b"inherit = 'mine'\n");
    // It inherits from the built-in theme of the same name.
    write("dark.toml", b"inherit = 'dark'\n[styles]\nnote = '4'\n");
    write("ring-a.toml", b"inherit = 'ring-b'\n");
    write("ring-b.toml", b"inherit = 'ring-a'\n");
    write("wrong-parent.toml", b"inherit = 'broken'\n");
    write("broken.toml", b"\n\n[styles]\nprompt = 'no'\n");
    write("binary.toml", b"\xff\xfe");
    write("notes.txt", b"");
    write(".hidden.toml", b"");
    std::fs::create_dir(folder.path().join("folder.toml")).unwrap();
    for step in 0..12 {
        write(&format!("chain-{step}.toml"), format!("inherit = 'chain-{}'\n", step + 1).as_bytes());
    }
    nix::unistd::mkfifo(&folder.path().join("pipe.toml"), nix::sys::stat::Mode::S_IRWXU).unwrap();

    let library = Library::new(Some(folder.path().to_owned()));
    let prompt = |name: &str| library.find(name).unwrap().style(Role::Prompt).fg;
    assert_eq!(prompt("mine"), Some(Color::Indexed(1)));
    assert_eq!(prompt("child"), Some(Color::Indexed(1)));
    assert_eq!(library.find("dark").unwrap().style(Role::Note).fg, Some(Color::Indexed(4)));
    assert_eq!(
        library.find("mine").unwrap().style(Role::Note).fg,
        Some(Color::Indexed(4)),
        "inherits the user's dark"
    );
    assert_eq!(
        library.default_for(None, ColorDepth::Ansi256).unwrap().style(Role::Note).fg,
        Some(Color::Indexed(4))
    );
    let built_in = Library::default();
    for name in ["nord", "dracula", "high-contrast"] {
        let note = |library: &Library| library.find(name).unwrap().style(Role::Note).fg;
        assert_eq!(note(&library), note(&built_in), "{name} inherits the built-in dark");
    }
    for (name, expected) in [
        ("ring-a", "inherits from itself"),
        ("chain-0", "over more than 8 files"),
        ("wrong-parent", "broken.toml:4: \"no\" is not a colour"),
        ("binary", "it is not UTF-8 text"),
        ("folder", "it is not a regular file"),
        ("pipe", "it is not a regular file"),
        ("nobody", "there is no theme \"nobody\"; there are: child, dark, mine, light, "),
        ("../dark", "there is no theme"),
    ] {
        let problem = library.find(name).unwrap_err().to_string();
        assert!(problem.contains(expected), "{name}: {problem}");
    }
    let listed = library.list();
    let broken: Vec<_> =
        listed.iter().filter(|one| one.theme.is_err()).map(|one| one.name.as_str()).collect();
    assert!(
        broken.contains(&"broken") && broken.contains(&"pipe") && !broken.contains(&"mine"),
        "{broken:?}"
    );
    assert_eq!(listed.iter().filter(|one| one.name == "dark").count(), 1);
    assert!(listed.iter().all(|one| one.name != "notes.txt" && one.name != ".hidden"));
}

proptest! {
    #[test]
    fn any_theme_file_is_loaded_or_an_error(text in "(?s).{0,200}", section in "styles|palette|pane|x", key in ".{0,12}", value in ".{0,20}") {
        let _ = Theme::parse("my.toml", &text);
        let built = format!("inherit = \"dark\"\n[{section}]\n\"{key}\" = \"{value}\"\n");
        if let Err(LibraryError::Invalid(error)) = Theme::parse("my.toml", &built) {
            prop_assert!((1..=5).contains(&error.line) && !error.problem.contains('\x1b'), "{}", error);
        }
    }

    #[test]
    fn every_shipped_file_can_be_cut_and_changed(which in 0..Theme::shipped().count(), at in 0_usize..4000, byte in any::<u8>()) {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/themes");
        let name = Theme::shipped().nth(which).unwrap();
        let mut bytes = std::fs::read(format!("{folder}/{name}.toml")).unwrap();
        let at = at % bytes.len();
        bytes[at] = byte;
        let _ = Theme::parse("x.toml", &String::from_utf8_lossy(&bytes));
        bytes.truncate(at);
        let _ = Theme::parse("x.toml", &String::from_utf8_lossy(&bytes));
    }
}

#[test]
fn every_file_of_the_folder_ships() {
    let folder = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/themes")).unwrap();
    let mut files: Vec<String> =
        folder.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    let mut shipped: Vec<String> = Theme::shipped().map(|name| format!("{name}.toml")).collect();
    files.sort();
    shipped.sort();
    assert_eq!(files, shipped);
    assert!(!files.is_empty());
}
