//! A `.env` file of the folder: when it chooses the server, which keys go where, and what it cannot do. Also the other files
//! that decide about servers, when other users can write them.

use super::daemon::Daemon;
use bai_testkit::{FakeTerminal, Finished, Sandbox, leave_out};
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

struct Lab {
    sandbox: Sandbox,
    engine: Daemon,
    _home: Sandbox,
}

impl Lab {
    fn new() -> Self {
        let home = Sandbox::new();
        let engine = Daemon::start(&home);
        Lab { sandbox: Sandbox::new(), engine, _home: home }
    }

    /// The lines of a file that brings these parts.
    fn text(&self, endpoint: &str, has_keys: bool) -> String {
        let (access_key, secret_key) = self.engine.keys();
        let keys = format!("BACKEND_ACCESS_KEY={access_key}\nBACKEND_SECRET_KEY={secret_key}\n");
        let keys = if has_keys { keys } else { "BACKEND_ENDPOINT_TYPE=api\n".to_owned() };
        format!("BACKEND_ENDPOINT={endpoint}\n{keys}")
    }

    fn export_keys(&mut self) {
        let (access_key, secret_key) = self.engine.keys();
        self.sandbox.set("BACKEND_ACCESS_KEY", access_key);
        self.sandbox.set("BACKEND_SECRET_KEY", secret_key);
    }

    #[track_caller]
    fn expect_no_keys(&self, arguments: &[&str], words: &str) {
        let run = self.sandbox.run(arguments);
        assert_eq!(run.code, Some(2), "{}", run.stderr);
        assert!(run.stderr.contains(words) && run.stderr.contains(".env"), "{}", run.stderr);
    }
}

/// Writes the file of the working folder.
fn put(sandbox: &Sandbox, text: &str) {
    set_mode(&sandbox.write(".env", text), 0o600);
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
}

fn runs_here(run: &Finished) {
    run.expect(0, "1\n");
}

const CODE: [&str; 3] = ["-c", "print(1)", "python"];

#[test]
fn the_first_use_of_a_file_is_said() {
    let lab = Lab::new();
    put(&lab.sandbox, &lab.text(&lab.engine.endpoint(), true));
    let count = |text: &str| text.matches("is chosen by").count();
    let said = || count(&in_terminal(&lab.sandbox, &["ls"]));
    // It decides where code goes, so quiet commands say it too.
    let run = lab.sandbox.run(&["--quiet", "ls"]);
    run.expect_code(0);
    let sentence = format!(
        "bai-repl: the server {} is chosen by {}/.env\n",
        lab.engine.address,
        lab.sandbox.work().display()
    );
    assert!(run.stderr.contains(&sentence), "{}", run.stderr);
    // Perhaps nobody has read that.
    assert_eq!(count(&lab.sandbox.run(&["ls"]).stderr), 1);
    assert_eq!((said(), said()), (1, 0));
    assert_eq!(count(&lab.sandbox.run(&["ls"]).stderr), 0);
    // A command that names its server does not use the file.
    for named in [&["login", "http://127.0.0.1:1"][..], &["--endpoint", "http://127.0.0.1:1", "ls"]] {
        put(&lab.sandbox, &lab.text("http://127.0.0.1:2", true));
        assert!(!lab.sandbox.run(named).stderr.contains("is chosen by"), "{named:?}");
    }
    // The same file chooses another server.
    put(
        &lab.sandbox,
        &lab.text(&format!("{}/", lab.engine.endpoint().replace("127.0.0.1", "localhost")), true),
    );
    assert_eq!((said(), said()), (1, 0));
}

/// What a command shows in a terminal.
fn in_terminal(sandbox: &Sandbox, arguments: &[&str]) -> String {
    FakeTerminal::start_sized(sandbox, arguments, 24, 200).wait_for_end().screen.all
}

#[test]
fn completion_asks_the_server_of_a_file_only_after_a_person_was_told() {
    // A server that ends every connection.
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", server.local_addr().unwrap());
    let sandbox = Sandbox::new();
    put(&sandbox, &format!("BACKEND_ENDPOINT={endpoint}\nBACKEND_ACCESS_KEY=A\nBACKEND_SECRET_KEY=B\n"));
    let connections = Arc::new(AtomicUsize::new(0));
    let counter = connections.clone();
    std::thread::spawn(move || {
        while let Ok((connection, _)) = server.accept() {
            counter.fetch_add(1, Ordering::SeqCst);
            drop(connection);
        }
    });
    let asks = |work: &dyn Fn()| {
        let before = connections.load(Ordering::SeqCst);
        work();
        connections.load(Ordering::SeqCst) > before
    };
    let tab = || {
        let mut tab = sandbox.command(&["--", "bai-repl", "attach", ""]);
        tab.env("BAI_REPL_COMPLETE", "bash").env("_CLAP_COMPLETE_INDEX", "2");
        assert!(tab.output().unwrap().status.success());
    };
    assert!(!asks(&tab));
    // Perhaps nobody sees what this says.
    assert!(asks(&|| assert!(sandbox.run(&["ls"]).stderr.contains("is chosen by"))));
    assert!(!asks(&tab));
    assert!(in_terminal(&sandbox, &["ls"]).contains("is chosen by"));
    assert!(asks(&tab));
}

#[test]
fn exported_variables_have_precedence() {
    let mut lab = Lab::new();
    put(&lab.sandbox, &lab.text("http://127.0.0.1:1", true));
    let endpoint = lab.engine.endpoint();
    lab.engine.use_in(&mut lab.sandbox, &endpoint);
    let run = lab.sandbox.run(&["ls"]);
    run.expect_code(0);
    assert!(!run.stderr.contains(".env"), "{}", run.stderr);
    // A single key is enough: the other one would have to come from the file.
    lab.sandbox.unset("BACKEND_ENDPOINT");
    lab.sandbox.unset("BACKEND_SECRET_KEY");
    lab.expect_no_keys(&["ls"], "BACKEND_ACCESS_KEY is exported");
}

#[test]
fn the_endpoint_of_a_file_gets_no_other_keys() {
    let mut lab = Lab::new();
    put(&lab.sandbox, &lab.text(&lab.engine.endpoint(), false));
    lab.export_keys();
    lab.expect_no_keys(&["ls"], "BACKEND_ACCESS_KEY is exported");
    lab.sandbox.unset("BACKEND_ACCESS_KEY");
    lab.sandbox.unset("BACKEND_SECRET_KEY");
    let run = lab.sandbox.run(&["ls"]);
    assert_eq!(run.code, Some(2), "{}", run.stderr);
    assert!(run.stderr.contains("needs BACKEND_ACCESS_KEY"), "{}", run.stderr);
}

#[test]
fn the_keys_of_a_file_go_to_no_other_endpoint() {
    let mut lab = Lab::new();
    let endpoint = lab.engine.endpoint();
    for text in [lab.text("http://127.0.0.1:1", true), lab.text("", true)] {
        put(&lab.sandbox, &text);
        lab.expect_no_keys(&["--endpoint", &endpoint, "ls"], "are only for the endpoint there");
    }
    lab.sandbox.set("BACKEND_ENDPOINT", endpoint.as_str());
    lab.expect_no_keys(&["ls"], "are only for the endpoint there");
    // They go to the endpoint that the file names, however it is chosen.
    put(&lab.sandbox, &lab.text(&endpoint, true));
    lab.sandbox.run(&["ls"]).expect_code(0);
    lab.sandbox.unset("BACKEND_ENDPOINT");
    lab.sandbox.run(&["--endpoint", &endpoint, "ls"]).expect_code(0);
}

#[test]
fn a_file_that_names_only_a_part_is_ignored_with_a_line_that_says_what_is_used() {
    let mut lab = Lab::new();
    let path = lab.sandbox.work().join(".env");
    let here = |lab: &Lab, missing: &str| {
        let run = lab.sandbox.run(&CODE);
        runs_here(&run);
        let sentence =
            format!("bai-repl: warning: {} is ignored: {missing}; this machine is used\n", path.display());
        assert!(run.stderr.contains(&sentence), "{}", run.stderr);
    };
    let no_keys = "it has BACKEND_ENDPOINT, but neither BACKEND_ACCESS_KEY nor BACKEND_SECRET_KEY";
    put(&lab.sandbox, "BACKEND_ACCESS_KEY=A\nBACKEND_SECRET_KEY=B\n");
    here(&lab, "it has keys, but no BACKEND_ENDPOINT");
    put(&lab.sandbox, "BACKEND_ENDPOINT=http://127.0.0.1:1\nBACKEND_GROUP=x\n");
    here(&lab, no_keys);
    lab.export_keys();
    here(&lab, no_keys);
    let run = lab.sandbox.run(&["--endpoint", "local", "-c", "print(1)", "python"]);
    runs_here(&run);
    assert!(!run.stderr.contains(".env"), "{}", run.stderr);
    // Another server than this machine.
    let endpoint = lab.engine.endpoint();
    lab.engine.use_in(&mut lab.sandbox, "");
    let config = lab.sandbox.home().join(".config/bai-repl/config.toml");
    std::fs::create_dir_all(config.parent().unwrap()).unwrap();
    let text = format!("\u{feff}profile = \"lab\"\n[profiles.lab]\nendpoint = \"{endpoint}\"\n");
    std::fs::write(&config, text).unwrap();
    let run = lab.sandbox.run(&["ls"]);
    run.expect_code(0);
    let sentence = format!("{no_keys}; the server {} is used\n", lab.engine.address);
    assert!(run.stderr.contains(&sentence), "{}", run.stderr);
}

#[test]
fn a_byte_order_mark_or_another_encoding_does_not_hide_a_file() {
    let lab = Lab::new();
    let text = lab.text(&lab.engine.endpoint(), true);
    let latin = [text.as_bytes(), b"# gr\xfc\xdfe\n"].concat();
    for text in [[&b"\xef\xbb\xbf"[..], text.as_bytes()].concat(), latin] {
        let path = lab.sandbox.work().join(".env");
        std::fs::write(&path, text).unwrap();
        set_mode(&path, 0o600);
        lab.sandbox.run(&["ls"]).expect_code(0);
    }
}

#[test]
fn a_file_that_others_can_write_ends_what_needs_it_and_one_of_others_is_ignored() {
    let lab = Lab::new();
    let text = lab.text("http://127.0.0.1:1", true);
    put(&lab.sandbox, &text);
    let path = lab.sandbox.work().join(".env");
    let expect_ignored = |why: &str| {
        let run = lab.sandbox.run(&CODE);
        runs_here(&run);
        assert!(run.stderr.contains(&format!("{} is ignored: {why}", path.display())), "{}", run.stderr);
        runs_here(&lab.sandbox.run(&["--endpoint", "local", "-c", "print(1)", "python"]));
        assert!(!lab.sandbox.run(&["themes"]).stderr.contains(".env"));
    };
    for mode in [0o620, 0o602, 0o664, 0o666] {
        set_mode(&path, mode);
        for arguments in [&CODE[..], &["ls"], &["run", "bash", "--exec", "echo ran"]] {
            let run = lab.sandbox.run(arguments);
            run.expect(2, "");
            let sentence =
                format!("{} chooses the server and other users can write it; run: chmod 600", path.display());
            assert!(
                run.stderr.contains(&sentence) && run.stderr.contains("--endpoint local"),
                "{}",
                run.stderr
            );
        }
        runs_here(&lab.sandbox.run(&["--endpoint", "local", "-c", "print(1)", "python"]));
    }
    set_mode(&path, 0o600);
    if chown(&path, Some(65534), None).is_err() {
        return leave_out("root");
    }
    expect_ignored("it belongs to another user");
}

#[test]
fn a_file_whose_secret_others_can_read_ends_only_what_needs_it() {
    let lab = Lab::new();
    put(&lab.sandbox, &lab.text(&lab.engine.endpoint(), true));
    set_mode(&lab.sandbox.work().join(".env"), 0o644);
    lab.expect_no_keys(&["ls"], "chmod 600");
    lab.expect_no_keys(&["ls"], "hint: --endpoint local");
    runs_here(&lab.sandbox.run(&["--endpoint", "local", "-c", "print(1)", "python"]));
    assert_eq!(lab.sandbox.run(&["themes"]).code, Some(0));
}

#[test]
fn a_file_that_cannot_be_read_is_ignored_with_a_line() {
    let Some(sandbox) = Sandbox::of_another_user() else { return };
    put(&sandbox, "BACKEND_ENDPOINT=http://127.0.0.1:1\n");
    let run = sandbox.run(&["ls"]);
    run.expect_code(0);
    let path = sandbox.work().join(".env");
    let sentence = format!(
        "{} is ignored: it cannot be read: Permission denied (os error 13); this machine",
        path.display()
    );
    assert_eq!(run.stderr.matches(&sentence).count(), 1, "{}", run.stderr);
    for arguments in [&["--endpoint", "local", "ls"][..], &["themes"]] {
        let run = sandbox.run(arguments);
        assert!(run.code == Some(0) && !run.stderr.contains(".env"), "{arguments:?}: {}", run.stderr);
    }
    // A large one, of this user.
    let sandbox = Sandbox::new();
    put(&sandbox, &"#".repeat(2 << 20));
    assert!(
        sandbox.run(&["ls"]).stderr.contains(".env is ignored: it cannot be read: it is larger than 1 MiB")
    );
}

#[test]
fn a_configuration_that_others_can_write_does_not_choose_a_server() {
    let sandbox = Sandbox::new();
    let folder = sandbox.home().join(".config/bai-repl");
    let official = sandbox.home().join(".backend.ai");
    for (path, text) in [
        (
            folder.join("config.toml"),
            "profile = \"lab\"\n[profiles.lab]\nendpoint = \"http://127.0.0.1:1\"\n",
        ),
        (official.join("config.toml"), "[backend-ai]\nendpoint = \"http://127.0.0.1:1\"\n"),
        (official.join("current-profile"), "lab\n"),
    ] {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        set_mode(&path, 0o646);
        let run = sandbox.run(&CODE);
        assert_eq!((run.code, run.stdout.as_str()), (Some(2), ""), "{path:?}: {}", run.stderr);
        let sentence =
            format!("{0} is not trusted: other users can write it; run: chmod go-w {0}", path.display());
        assert!(run.stderr.contains(&sentence), "{}", run.stderr);
        runs_here(&sandbox.run(&["--endpoint", "local", "-c", "print(1)", "python"]));
        std::fs::remove_file(&path).unwrap();
    }
}

#[test]
fn a_file_in_a_folder_that_everybody_can_write_does_not_count() {
    let sandbox = Sandbox::new();
    let folder = sandbox.home().join(".config/bai-repl");
    std::fs::create_dir_all(folder.join("themes")).unwrap();
    let config = folder.join("config.toml");
    std::fs::write(&config, "profile = \"lab\"\n[profiles.lab]\nendpoint = \"http://127.0.0.1:1\"\n")
        .unwrap();
    std::fs::write(folder.join("themes/mine.toml"), "inherit = \"dark\"\n").unwrap();
    for mode in [0o777, 0o757] {
        set_mode(&folder, mode);
        let run = sandbox.run(&CODE);
        let sentence = format!(
            "{} is not trusted: other users can write its folder; run: chmod o-w {}",
            config.display(),
            folder.display()
        );
        assert!(run.code == Some(2) && run.stderr.contains(&sentence), "{}", run.stderr);
        set_mode(&folder.join("themes"), mode);
        let run = sandbox.run(&["themes", "mine"]);
        assert!(
            run.code != Some(0) && run.stderr.contains("other users can write its folder"),
            "{}",
            run.stderr
        );
        // Here others can add files, but cannot replace those of this user.
        for mode in [0o1777, 0o755] {
            set_mode(&folder, mode);
            let run = sandbox.run(&CODE);
            assert!(run.stderr.contains("needs BACKEND_ACCESS_KEY"), "{}", run.stderr);
        }
        set_mode(&folder.join("themes"), 0o1777);
        assert_eq!(sandbox.run(&["themes", "mine"]).code, Some(0));
    }
    std::fs::remove_file(&config).unwrap();

    put(&sandbox, "BACKEND_ENDPOINT=http://127.0.0.1:1\nBACKEND_ACCESS_KEY=A\nBACKEND_SECRET_KEY=B\n");
    set_mode(&sandbox.work(), 0o777);
    let run = sandbox.run(&CODE);
    assert!(run.stderr.contains(".env is ignored: other users can write its folder"), "{}", run.stderr);
    runs_here(&run);
}

#[test]
fn a_theme_that_others_can_write_is_not_used() {
    let sandbox = Sandbox::new();
    let folder = sandbox.home().join(".config/bai-repl/themes");
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("mine.toml");
    std::fs::write(&path, "inherit = \"dark\"\n").unwrap();
    assert_eq!(sandbox.run(&["themes", "mine"]).code, Some(0));
    set_mode(&path, 0o646);
    let run = sandbox.run(&["themes", "mine"]);
    assert!(run.code != Some(0) && run.stderr.contains("other users can write it"), "{}", run.stderr);
}
