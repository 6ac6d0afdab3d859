//! Mistakes in the configuration and in flags: what they stop, what they do not stop, and when they are reported.

use bai_testkit::Sandbox;

fn configure(sandbox: &Sandbox, text: &str) {
    let folder = sandbox.home().join(".config/bai-repl");
    std::fs::create_dir_all(folder.join("themes")).unwrap();
    std::fs::write(folder.join("config.toml"), text).unwrap();
}

fn sandbox_theme(sandbox: &Sandbox, name: &str, text: &str) {
    std::fs::write(sandbox.home().join(format!(".config/bai-repl/themes/{name}.toml")), text).unwrap();
}

#[test]
fn a_setting_that_is_wrong_is_a_warning_and_counts_as_not_set() {
    let sandbox = Sandbox::new();
    let other = "[profiles.lab]\nendpoint = \"http://127.0.0.1:1\"\n";
    for (text, place, expected) in [
        ("theem = \"dark\"\n", "config.toml:1: theem", "is not a setting"),
        ("\ntheme = 5\n", "config.toml:2: theme", "the name of a theme"),
        ("prelude = \"no\"\n", "config.toml:1: prelude", "true or false"),
        ("edit_mode = \"foo\"\n", "config.toml:1: edit_mode", "emacs or vi"),
        ("clipboard = \"read\"\n", "config.toml:1: clipboard", "off, ask or write"),
        ("[media]\nmax_rows = \"x\"\n", "config.toml:2: media.max_rows", "a whole number from 1"),
        ("[media]\nmax_rows = 0\n", "config.toml:2: media.max_rows", "a whole number from 1"),
        ("[media]\ndir = \"/dev/null\"\n", "config.toml:2: media.dir", "is not a folder"),
        ("[output]\nmax_lines = -1\n", "config.toml:2: output.max_lines", "a whole number from 0"),
        ("terminal = true\n", "config.toml:1: terminal", "a table"),
        ("[terminal]\ngraphics = \"sixle\"\n", "config.toml:2: terminal.graphics", "sixel"),
        ("[terminal]\ncell = \"10\"\n", "config.toml:2: terminal.cell", "10x20"),
        ("[terminal]\nbackground = \"red-ish\"\n", "config.toml:2: terminal.background", "#1e1e2e"),
        ("prefix_key = \"x\"\n", "config.toml:1: prefix_key", "Ctrl-]"),
        ("[profiles.lab]\nendpiont = \"x\"\n", "config.toml:2: profiles.lab.endpiont", "is not a setting"),
    ] {
        configure(&sandbox, text);
        for arguments in [&["themes"][..], &["config", "terminal"], &["ls"], &["--json", "ls"]] {
            let run = sandbox.run(arguments);
            assert_ne!(run.code, Some(2), "{text} {arguments:?}: {}", run.stderr);
            let told = run.stderr.matches("warning").count();
            assert_eq!(told, 1, "{text} {arguments:?}: {}", run.stderr);
            assert!(run.stderr.contains(place), "{text}: {}", run.stderr);
            assert!(run.stderr.contains(expected), "{text}: {}", run.stderr);
            assert!(!run.stdout.contains("warning"), "{text}: {}", run.stdout);
        }
        let run = sandbox.run(&["-c", "print(6 * 7)", "python"]);
        assert_eq!((run.code, run.stdout.as_str()), (Some(0), "42\n"), "{text}: {}", run.stderr);
    }
    // The rest of the file counts.
    configure(&sandbox, &format!("theem = 1\nprofile = \"lab\"\n{other}"));
    assert_eq!(sandbox.run(&["ls"]).code, Some(2), "the profile has no key");
    configure(&sandbox, "secret_kee = \"hush\"\n");
    assert!(!sandbox.run(&["ls"]).stderr.contains("hush"));
}

#[test]
fn a_mistake_in_the_chosen_profile_is_an_error() {
    let sandbox = Sandbox::new();
    let lab = "[profiles.lab]\nendpoint = \"http://127.0.0.1:1\"\nacces_key = \"A\"\nsecret_key = 5\n";
    for text in [format!("profile = \"lab\"\n{lab}"), "profile = 5\n".to_owned()] {
        configure(&sandbox, &text);
        let run = sandbox.run(&["ls"]);
        assert_eq!(run.code, Some(2), "{text}: {}", run.stderr);
        assert_eq!(sandbox.run(&["themes"]).code, Some(0));
        let local = sandbox.run(&["--endpoint", "local", "-c", "print(1)", "python"]);
        assert_eq!((local.code, local.stdout.as_str()), (Some(0), "1\n"), "{text}: {}", local.stderr);
    }
    configure(&sandbox, lab);
    assert_eq!(sandbox.run(&["--profile", "lab", "ls"]).code, Some(2));
    sandbox.run(&["ls"]).expect(0, "");
}

#[test]
fn a_file_that_is_not_toml_ends_only_what_connects() {
    let sandbox = Sandbox::new();
    configure(&sandbox, "theme = \n");
    for arguments in [&["ls"][..], &["-c", "print(1)", "python"], &["rm", "work"]] {
        let run = sandbox.run(arguments);
        assert_eq!(run.code, Some(2), "{arguments:?}: {}", run.stderr);
        assert!(run.stderr.contains("line 1"), "{}", run.stderr);
    }
    for arguments in [&["themes"][..], &["config", "terminal"], &["completions", "bash"]] {
        let run = sandbox.run(arguments);
        assert_eq!(run.code, Some(0), "{arguments:?}: {}", run.stderr);
        assert_eq!(run.stderr.matches("warning").count(), 1, "{arguments:?}: {}", run.stderr);
    }
}

#[test]
fn an_unknown_profile_in_the_file_does_not_end_what_names_its_server() {
    let mut sandbox = Sandbox::new();
    configure(&sandbox, "profile = \"nix\"\n");
    let run = sandbox.run(&["--endpoint", "local", "-c", "print(1)", "python"]);
    assert_eq!((run.code, run.stdout.as_str()), (Some(0), "1\n"), "{}", run.stderr);
    assert_eq!(sandbox.run(&["ls"]).code, Some(2));
    assert_eq!(sandbox.run(&["--profile", "nix", "--endpoint", "local", "ls"]).code, Some(2));
    sandbox.set("BACKEND_ENDPOINT", "local");
    let run = sandbox.run(&["-c", "print(1)", "python"]);
    assert_eq!((run.code, run.stdout.as_str()), (Some(0), "1\n"), "{}", run.stderr);
}

#[test]
fn a_mistake_in_a_theme_does_not_end_a_script() {
    let sandbox = Sandbox::new();
    let themes = sandbox.home().join(".config/bai-repl/themes");
    for (theme, why) in [("mine", "mine.toml"), ("nobody", "there is no theme \"nobody\"")] {
        configure(&sandbox, &format!("theme = \"{theme}\"\n"));
        std::fs::write(themes.join("mine.toml"), "[styles]\nprompt = \"redd\"\n").unwrap();
        let run = sandbox.run(&["-c", "print(6 * 7)", "python"]);
        assert_eq!((run.code, run.stdout.as_str()), (Some(0), "42\n"), "{}", run.stderr);
        assert!(run.stderr.contains("warning") && run.stderr.contains(why), "{}", run.stderr);
        let offered = run.stderr.contains("solarized");
        assert!(run.stderr.lines().count() == 1 && !offered, "{}", run.stderr);
        let list = sandbox.run(&["ls"]);
        assert!(!list.stderr.contains("warning"), "a list has no theme: {}", list.stderr);
        let json = sandbox.run(&["--json", "-c", "print(6 * 7, end='')", "python"]);
        assert_eq!(json.code, Some(0), "{}", json.stderr);
        assert!(json.stdout.contains("\"42\""), "{}", json.stdout);
    }
}

#[test]
fn a_theme_that_the_command_line_names_must_be_usable() {
    let sandbox = Sandbox::new();
    configure(&sandbox, "");
    sandbox_theme(&sandbox, "mine", "[styles]\nprompt = \"redd\"\n");
    for (theme, why) in [("mine", "mine.toml:2"), ("nobody", "there is no theme \"nobody\"")] {
        let named = sandbox.run(&["--theme", theme, "-c", "print(1)", "python"]);
        assert_eq!((named.code, named.stdout.as_str()), (Some(2), ""), "{}", named.stderr);
        assert!(named.stderr.contains(why), "{}", named.stderr);
    }
}

#[test]
fn settings_of_the_terminal_do_not_end_a_script_that_has_none() {
    let sandbox = Sandbox::new();
    for wrong in ["graphics = \"telepathy\"", "cell = \"10\"", "background = \"red-ish\""] {
        configure(&sandbox, &format!("[terminal]\n{wrong}\n"));
        for arguments in [&["-c", "print(1)", "python"][..], &["--json", "-c", "print(1)", "python"]] {
            let run = sandbox.run(arguments);
            assert_eq!(run.code, Some(0), "{wrong}: {}", run.stderr);
        }
    }
}

#[test]
fn a_wrong_flag_is_reported_before_a_session_is_created() {
    let sandbox = Sandbox::new();
    sandbox.write("file", "no folder");
    for (flag, value, why) in [
        ("--graphics", "telepathy", "--graphics or BAI_REPL_GRAPHICS is \"telepathy\""),
        ("--theme", "nobody", "there is no theme \"nobody\""),
        ("--media-dir", "file", "file is not a folder"),
        ("--media-dir", "file/in", "file is not a folder"),
    ] {
        let subcommand = ["run", flag, value, "-t", "work", "-c", "print(1)", "python"];
        for arguments in [&subcommand[1..], &subcommand[..]] {
            let run = sandbox.run(arguments);
            assert_eq!(run.code, Some(2), "{arguments:?}: {}", run.stderr);
            assert!(run.stderr.contains(why), "{arguments:?}: {}", run.stderr);
            let listed = sandbox.run(&["ls"]);
            listed.expect(0, "");
            assert!(
                listed.stderr.contains("no background engine"),
                "a session was created: {}",
                listed.stderr
            );
        }
    }
}
