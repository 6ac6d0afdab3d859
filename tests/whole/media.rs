//! Pictures in the whole program: the facts about the terminal, and how media are shown, saved or described.

use bai_testkit::{FakeTerminal, PROMPT, Sandbox, Screen};

fn facts(sandbox: &Sandbox, arguments: &[&str]) -> String {
    let terminal = FakeTerminal::start(sandbox, arguments);
    let end = terminal.wait_for_end();
    assert_eq!(end.code, 0, "{}", end.screen.all);
    end.screen.all
}

#[test]
fn the_terminal_is_queried_and_the_results_are_shown() {
    let sandbox = Sandbox::new();
    let shown = facts(&sandbox, &["config", "terminal"]);
    assert!(shown.contains("answers       yes"), "{shown}");
    assert!(shown.contains("pictures      blocks, because it supports no better protocol"), "{shown}");
    assert!(shown.contains("window        "), "{shown}");
}

#[test]
fn settings_of_the_user_override_the_terminal() {
    let mut sandbox = Sandbox::new();
    let folder = sandbox.home().join(".config/bai-repl");
    std::fs::create_dir_all(&folder).unwrap();
    let write = |text: &str| std::fs::write(folder.join("config.toml"), text).unwrap();
    write("[terminal]\ngraphics = 'sixel'\ncell = '9x18'\nbackground = '#fafafa'\n");
    let shown = facts(&sandbox, &["config", "terminal"]);
    assert!(shown.contains("pictures      sixel, because you have set it"), "{shown}");
    assert!(shown.contains("cell          9×18 pixels") && shown.contains("theme         light"), "{shown}");
    sandbox.set("BAI_REPL_GRAPHICS", "iterm2");
    assert!(facts(&sandbox, &["config", "terminal"]).contains("iterm2, because you have set it"));
    let shown = facts(&sandbox, &["config", "terminal", "--graphics", "kitty"]);
    assert!(shown.contains("kitty, because you have set it"), "{shown}");
    let shown = facts(&sandbox, &["config", "terminal", "--graphics", "auto"]);
    assert!(shown.contains("blocks, because"), "{shown}");
    write("[terminal]\nask = false\n");
    let shown = facts(&sandbox, &["config", "terminal", "--graphics", "auto"]);
    assert!(shown.contains("it was not asked: the configuration says so"), "{shown}");
    write("[terminal]\ngraphics = 'telepathy'\n");
    sandbox.unset("BAI_REPL_GRAPHICS");
    let warned = sandbox.run(&["config", "terminal"]);
    warned.expect_code(0);
    assert!(warned.stderr.contains("terminal.graphics is \"telepathy\""), "{}", warned.stderr);
    let refused = sandbox.run(&["config", "terminal", "--graphics", "telepathy"]);
    refused.expect_code(2);
    assert!(
        refused.stderr.contains("--graphics or BAI_REPL_GRAPHICS is \"telepathy\""),
        "{}",
        refused.stderr
    );
}

#[test]
fn without_a_terminal_no_queries_are_sent_and_json_has_the_reason() {
    let sandbox = Sandbox::new();
    let facts = sandbox.run(&["config", "terminal", "--json"]);
    facts.expect_code(0);
    let facts: serde_json::Value = serde_json::from_str(&facts.stdout).unwrap();
    assert_eq!((&facts["asked"], &facts["graphics"]), (&false.into(), &"none".into()));
    assert_eq!(facts["not_asked_because"], "standard output is not a terminal");
}

#[test]
fn answers_of_the_terminal_to_a_prompt_are_cached_for_later_scripts() {
    let mut sandbox = Sandbox::new();
    sandbox.write("pictures.py", PICTURES);
    sandbox.set("COLORTERM", "truecolor");
    sandbox.set("B", bai_testkit::binary());
    sandbox.set("CODE", "from pictures import *; display(svg(''))");
    let draw = "$B -c \"$CODE\" python";
    let color = "printf '\\033]11;#fa00aa\\007'";
    let script = format!("{color}; {draw}; echo -- first; $B config terminal; {draw}; echo -- drawn");
    let terminal = FakeTerminal::start_command(sandbox.in_terminal(&["sh", "-c", &script]), 24, 80);
    let on_background = || terminal.raw().windows(15).any(|bytes| bytes == b"[48;2;250;0;170");
    terminal.wait_for("-- first");
    assert!(!on_background(), "the terminal is not asked for its background yet");
    let screen = terminal.wait_for("-- drawn");
    assert!(screen.all.contains("background    #fa00aa"), "{}", screen.all);
    assert!(on_background(), "{}", screen.all);
    assert_eq!(terminal.wait_for_end().code, 0);
}

/// A module for cells with classes whose instances are displayed as pictures.
const PICTURES: &str = r#"
import base64, json, struct, zlib

def png(width, height, color, *beside):
    rows = (b'\0' + bytes(color) * width) * height
    def chunk(kind, data):
        body = kind + data
        return struct.pack('>I', len(data)) + body + struct.pack('>I', zlib.crc32(body))
    head = chunk(b'IHDR', struct.pack('>IIBBBBB', width, height, 8, 2, 0, 0, 0))
    head += b''.join(chunk(*one) for one in beside)
    return b'\x89PNG\r\n\x1a\n' + head + chunk(b'IDAT', zlib.compress(rows)) + chunk(b'IEND', b'')

def bomb():
    """Half a gigabyte in half a megabyte."""
    packer = zlib.compressobj()
    return b''.join(packer.compress(bytes(1 << 20)) for _ in range(512)) + packer.flush()

class Show:
    def __init__(self, kind, data):
        self.kind, self.data = kind, data
    def _repr_mimebundle_(self, include=None, exclude=None):
        return {self.kind: self.data}

def picture(*what):
    return Show('image/png', png(*what))

def svg(content):
    return Show('image/svg+xml', '<svg xmlns="http://www.w3.org/2000/svg" width="80" height="48">%s</svg>' % content)

def drawing(*commands):
    return Show('application/x-sorna-drawing', json.dumps(commands))

# Two frames of one pixel, red and blue, 100 ms each.
GIF = base64.b64decode('R0lGODlhAQABAIEAAP8AAAAAAAAAAAAAACH/C05FVFNDQVBFMi4wAwEAAAAh+QQACgAAACwAAAAAAQABAAAIBAABBAQAIfkEAQoAAQAsAAAAAAEAAQCBAAD/AAAAAAAAAAAACAQAAQQEADs=')
gif = Show('image/gif', GIF)
"#;

/// Creates a sandbox whose terminal announces true colour.
fn colorful() -> Sandbox {
    let mut sandbox = Sandbox::new();
    sandbox.set("COLORTERM", "truecolor");
    sandbox
}

/// Starts a prompt in a window of 30×80, with the module loaded.
fn with_pictures(sandbox: &Sandbox, arguments: &[&str]) -> FakeTerminal {
    sandbox.write("pictures.py", PICTURES);
    let terminal = FakeTerminal::start_sized(sandbox, &[&["python"], arguments].concat(), 30, 80);
    terminal.wait_for_prompt(PROMPT);
    terminal.run(PROMPT, "from pictures import *");
    terminal
}

/// Counts the lines with half blocks.
fn block_lines(text: &str) -> usize {
    text.lines().filter(|line| line.contains(['\u{2580}', '\u{2584}'])).count()
}

#[test]
fn pictures_of_every_kind_are_drawn_where_the_cursor_is() {
    let sandbox = colorful();
    let terminal = with_pictures(&sandbox, &[]);
    let mut lines = 0;
    for (cell, rows) in [
        ("picture(80, 48, (255, 0, 0))", 3),
        ("svg('<rect width=\"80\" height=\"48\" fill=\"blue\"/>')", 3),
        ("drawing([0, 'canvas', 80, 32, '#00ff00ff', '#000000ff'])", 2),
        ("gif", 1),
    ] {
        let screen = terminal.run(PROMPT, cell);
        lines += rows;
        assert_eq!(block_lines(&screen.all), lines, "{cell}: {}", screen.all);
    }
    terminal.run(PROMPT, "drawing([0, 'obj', 0, ['circle', 40, 16, 9, '#000000ff', '#000000ff', 0]])");
    let raw = String::from_utf8_lossy(&terminal.raw()).into_owned();
    assert!(raw.contains("48;2;255;0;0") && raw.contains("48;2;0;0;255") && raw.contains("48;2;0;255;0"));
    terminal.leave();
}

#[test]
fn commits_are_a_graph_in_text() {
    let sandbox = colorful();
    let terminal = with_pictures(&sandbox, &[]);
    let commits = "[{'oid': 'c', 'parent_ids': ['a'], 'message': 'third'}, {'oid': 'a', 'message': 'first'}]";
    let screen =
        terminal.run(PROMPT, &format!("Show('application/vnd.sorna.gitgraph', json.dumps({commits}))"));
    assert!(screen.has_line("● c third") && screen.has_line("● a first"), "{}", screen.all);
    terminal.leave();
}

#[test]
fn the_last_picture_fills_the_window_until_a_key_is_pressed() {
    let sandbox = colorful();
    let terminal = with_pictures(&sandbox, &[]);
    assert!(terminal.run(PROMPT, ":image").all.contains("there was no picture yet"));
    terminal.run(PROMPT, "picture(80, 48, (255, 0, 0))");
    terminal.enter(":image");
    let shown = terminal.wait_for("80×48 pixels · any key leaves");
    assert_eq!(block_lines(&shown.lines.join("\n")), 24, "as large as 80 columns allow: {}", shown.all);
    terminal.resize(12, 40);
    terminal.wait_until("the picture in the smaller window", |screen| {
        screen.lines.len() == 12
            && block_lines(&screen.lines.join("\n")) == 11
            && screen.lines[11].contains("any key leaves")
    });
    terminal.send("\x1b[A");
    let back = terminal.wait_for_prompt(PROMPT);
    assert!(!back.modes.contains(alacritty_terminal::term::TermMode::ALT_SCREEN) && back.cursor_shown);
    assert_eq!(
        terminal.run(PROMPT, "6007 * 7").all.matches("42049").count(),
        1,
        "the key that closed the picture does not reach the prompt"
    );
    terminal.leave();
}

#[test]
fn an_animation_plays_in_the_whole_window() {
    let sandbox = colorful();
    let terminal = with_pictures(&sandbox, &[]);
    terminal.run(PROMPT, "gif");
    let inline = terminal.raw().len();
    terminal.enter(":image");
    terminal.wait_for("any key leaves");
    let played = |what: &str| {
        let raw = terminal.raw();
        let times = String::from_utf8_lossy(&raw[inline..]).matches(what).count();
        times > 2000
    };
    // The animation shows each colour more than once, so it repeats.
    while !(played("48;2;255;0;0") && played("48;2;0;0;255")) {
        let before = terminal.raw().len();
        terminal.wait_until("another picture", |screen| screen.written > before);
    }
    terminal.send("q");
    terminal.wait_for_prompt(PROMPT);
    terminal.leave();
}

#[test]
fn the_last_picture_is_saved_as_it_came_or_as_png() {
    let sandbox = colorful();
    let terminal = with_pictures(&sandbox, &[]);
    terminal.run(PROMPT, "svg('<rect width=\"80\" height=\"48\" fill=\"blue\"/>')");
    for name in ["a.svg", "b.png"] {
        terminal.enter(&format!(":image save {name}"));
        terminal.wait_for(&format!("saved in {name}"));
        terminal.wait_for_prompt(PROMPT);
    }
    assert!(std::fs::read_to_string(sandbox.work().join("a.svg")).unwrap().starts_with("<svg"));
    let png = image::open(sandbox.work().join("b.png")).unwrap().into_rgba8();
    assert_eq!((png.dimensions(), png.get_pixel(5, 5).0), ((80, 48), [0, 0, 255, 255]));
    let refused = terminal.run(PROMPT, ":image save a.svg");
    assert!(refused.all.contains("a.svg exists"), "{}", refused.all);
    terminal.run(PROMPT, "drawing([0, 'canvas', 20, 10, '#00ff00ff', '#000000ff'])");
    terminal.enter(":image save c.png");
    terminal.wait_for("saved in c.png");
    terminal.wait_for_prompt(PROMPT);
    assert_eq!(image::open(sandbox.work().join("c.png")).unwrap().width(), 20);
    terminal.leave();
}

#[test]
fn the_last_picture_is_given_to_a_viewer() {
    let mut sandbox = colorful();
    let programs = sandbox.home().join("bin");
    std::fs::create_dir(&programs).unwrap();
    // Another process writes the file, because a program cannot be executed while it is open for writing.
    let viewer =
        r#"printf '#!/bin/sh\nhead -c 4 "$1" | tail -c 3 >seen\nrm "$1"\n' >xdg-open; chmod +x xdg-open"#;
    let made = std::process::Command::new("sh").args(["-c", viewer]).current_dir(&programs).status();
    assert!(made.unwrap().success());
    sandbox.set("PATH", format!("{}:{}", programs.display(), std::env::var("PATH").unwrap()));
    let seen = written(&sandbox, "seen");
    let terminal = with_pictures(&sandbox, &[]);
    assert!(terminal.run(PROMPT, ":image open").all.contains("there was no picture yet"));
    terminal.run(PROMPT, "picture(80, 48, (255, 0, 0))");
    terminal.enter(":image open");
    let opened = terminal.wait_for("opened /").all;
    assert!(opened.contains(".png"), "{opened}");
    assert_eq!(seen.recv_timeout(std::time::Duration::from_secs(60)).unwrap(), b"PNG");
    terminal.leave();
}

#[test]
fn an_interrupt_arrives_while_a_picture_is_drawn() {
    let sandbox = colorful();
    let terminal = with_pictures(&sandbox, &[]);
    let (sent, caught) = (written(&sandbox, "sent"), written(&sandbox, "caught"));
    // This takes the renderer seconds, but not the program.
    terminal.run(
        PROMPT,
        "noise = '<filter id=\"f\"><feTurbulence baseFrequency=\".5\" numOctaves=\"20\"/></filter>'",
    );
    terminal.run(PROMPT, "slow = noise + '<rect width=\"80\" height=\"48\" filter=\"url(#f)\"/>' * 400");
    terminal.paste(
        "try:\n    display(svg(slow))\n    open('sent', 'w').close()\n    while True: pass\n\
         except KeyboardInterrupt:\n    open('caught', 'w').close()",
    );
    terminal.send("\r\r");
    let limit = std::time::Duration::from_secs(60);
    sent.recv_timeout(limit).unwrap();
    terminal.send("\x03");
    caught.recv_timeout(limit).unwrap();
    let is_over = |screen: &Screen| block_lines(&screen.all) > 0 || screen.all.contains("takes too long");
    assert!(!is_over(&terminal.screen()), "it was drawn before");
    terminal
        .wait_until("the outcome and the prompt", |screen| is_over(screen) && screen.last_line() == PROMPT);
    terminal.leave();
}

/// Returns a channel that gives what a program has written into this file.
fn written(sandbox: &Sandbox, name: &str) -> std::sync::mpsc::Receiver<Vec<u8>> {
    let path = sandbox.work().join(name);
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let (send, receive) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let _ = send.send(std::fs::read(path).unwrap());
    });
    receive
}

#[test]
fn each_protocol_is_spoken_when_it_is_asked_for() {
    let sandbox = colorful();
    for (means, begin, end) in [
        ("kitty", "\x1b_Ga=T,f=100,q=2,m=0;", "\x1b\\"),
        ("kitty-tmux", "\x1bPtmux;\x1b\x1b_Ga=T,U=1,", "\u{10eeee}"),
        ("iterm2", "\x1b]1337;File=inline=1;size=", "\x07"),
        ("sixel", "\x1bP", "\x1b\\"),
    ] {
        let terminal = with_pictures(&sandbox, &["--graphics", means]);
        terminal.run(PROMPT, "picture(80, 48, (255, 0, 0))");
        let raw = String::from_utf8_lossy(&terminal.raw()).into_owned();
        let (_, after) = raw.split_once(begin).unwrap_or_else(|| panic!("{means}: {raw:?}"));
        assert!(after.contains(end), "{means}: {after:?}");
        terminal.leave();
    }
}

#[test]
fn hostile_pictures_are_one_line_each_and_the_session_continues() {
    let sandbox = colorful();
    let terminal = with_pictures(&sandbox, &[]);
    for (cell, note) in [
        (
            "huge = bytearray(png(1, 1, (0, 0, 0))); huge[16:24] = struct.pack('>II', 60000, 60000); Show('image/png', bytes(huge))",
            "image/png",
        ),
        ("Show('image/png', b'<html>no picture</html>')", "not a picture of a known format"),
        ("Show('image/jpeg', png(9, 9, (0, 0, 0))[:40])", "image/jpeg, damaged"),
        ("Show('image/svg+xml', '<svg')", "image/svg+xml, damaged"),
        ("Show('application/x-sorna-drawing', '[' * 100000)", "x-sorna-drawing, damaged"),
        // A picture must be shown even with a text chunk that is too long, or with a colour profile.
        (
            "text = picture(80, 48, (250, 0, 1), (b'zTXt', b'Raw profile type exif\\0\\0' + bomb())); text",
            "▄▄▄▄\n▄▄▄▄",
        ),
        ("profile = picture(80, 48, (1, 0, 250), (b'iCCP', b'ICC\\0\\0' + bomb())); profile", "▄▄▄▄\n▄▄▄▄"),
    ] {
        let before = terminal.screen().all.matches(note).count();
        let screen = terminal.run(PROMPT, cell);
        assert!(screen.all.matches(note).count() > before, "{note}: {}", screen.all);
    }
    let status = std::fs::read_to_string(format!("/proc/{}/status", terminal.pid())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"));
    let peak: u64 = peak.unwrap().parse().unwrap();
    assert!(peak < 400 << 10, "half a gigabyte is never unpacked as a whole: {peak} kB");
    assert!(terminal.run(PROMPT, "6 * 7").has_line("42"));
    terminal.leave();
}

#[test]
fn in_a_script_pictures_are_described_and_saved() {
    let sandbox = colorful();
    sandbox.write("pictures.py", PICTURES);
    let code = "from pictures import *\npicture(80, 48, (255, 0, 0))";
    let described = sandbox.run(&["-p", code, "python"]);
    described.expect(0, "");
    assert!(described.stderr.contains("image/png, 80×48 pixels"), "{}", described.stderr);
    let kept = sandbox.run(&["--media-dir", "kept", "-p", code, "python"]);
    assert!(kept.stderr.contains("saved to kept/image-001.png"), "{}", kept.stderr);
    let drawing = "from pictures import *\ndrawing([0, 'canvas', 20, 10, '#00ff00ff', '#000000ff'])";
    sandbox.run(&["--media-dir", "kept", "-p", drawing, "python"]).expect_code(0);
    assert_eq!(image::open(sandbox.work().join("kept/image-002.png")).unwrap().width(), 20);
}
