//! Secrets of logins in the system keyring: the real GNOME keyring, on a private bus.

use super::bad_inputs::REFUSED;
use super::daemon::Daemon;
use bai_testkit::{Finished, Sandbox, need};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// A bus, with a keyring if one was started.
struct Desktop {
    sandbox: Sandbox,
    engine: Daemon,
    programs: Vec<Child>,
    _home: Sandbox,
}

impl Desktop {
    /// Starts a bus without a keyring. `None` if the test is left out.
    fn new() -> Option<Self> {
        if !need("dbus-daemon") {
            return None;
        }
        let home = Sandbox::new();
        let engine = Daemon::start(&home);
        let mut desktop = Desktop { sandbox: Sandbox::new(), engine, programs: Vec::new(), _home: home };
        let root = desktop.sandbox.home();
        // D-Bus activation is off: only programs that a test starts are on the bus.
        let configuration = desktop.sandbox.write(
            "bus.conf",
            format!(
                "<busconfig><type>session</type><listen>unix:path={}/bus</listen><policy context=\"default\">\
                 <allow send_destination=\"*\" eavesdrop=\"true\"/><allow eavesdrop=\"true\"/><allow own=\"*\"/>\
                 </policy></busconfig>",
                root.display()
            ),
        );
        let mut bus = desktop.program("dbus-daemon");
        bus.arg(format!("--config-file={}", configuration.display())).args(["--nofork", "--print-address"]);
        let address = desktop.start(bus, "");
        desktop.sandbox.set("DBUS_SESSION_BUS_ADDRESS", address);
        Some(desktop)
    }

    /// Starts a bus with a keyring and gives its password, which unlocks or creates it. `None` if the test is left out.
    fn with_keyring() -> Option<Self> {
        if !need("gnome-keyring-daemon") {
            return None;
        }
        let mut desktop = Self::new()?;
        let mut keyring = desktop.program("gnome-keyring-daemon");
        let control = format!("--control-directory={}", desktop.sandbox.home().join("control").display());
        keyring.args(["--foreground", "--unlock", "--components=secrets"]).arg(control);
        desktop.start(keyring, "the keyring's password");
        Some(desktop)
    }

    fn program(&self, name: &str) -> Command {
        self.sandbox.program(name)
    }

    /// Starts a program with this standard input. Returns its first line, which it prints when it is ready.
    fn start(&mut self, mut command: Command, input: &str) -> String {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let name = command.get_program().to_owned();
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{name:?} is needed: {error}"));
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        self.programs.push(child);
        line.trim_end().to_owned()
    }

    fn log_in(&self) -> Finished {
        let (access_key, secret_key) = self.engine.keys();
        let endpoint = self.engine.endpoint();
        let arguments = ["login", &endpoint, "--access-key", &access_key, "--password-stdin"];
        self.sandbox.run_with_stdin(&arguments, format!("{secret_key}\n").as_bytes())
    }

    /// Returns the content of the login file.
    fn file(&self) -> Option<String> {
        let folder = self.sandbox.home().join(".local/state/bai-repl/logins");
        let paths: Vec<PathBuf> =
            std::fs::read_dir(folder).ok()?.map(|entry| entry.unwrap().path()).collect();
        let mut text = String::new();
        std::fs::File::open(paths.first()?).unwrap().read_to_string(&mut text).unwrap();
        Some(text)
    }
}

impl Drop for Desktop {
    fn drop(&mut self) {
        for program in self.programs.iter_mut().rev() {
            let _ = program.kill();
            let _ = program.wait();
        }
    }
}

#[test]
fn a_secret_is_kept_in_the_keyring_and_forgotten_there() {
    let Some(desktop) = Desktop::with_keyring() else { return };
    let (_, secret_key) = desktop.engine.keys();
    let run = desktop.log_in();
    run.expect(0, "");
    assert!(run.stderr.contains("the system keyring keeps the secret"), "{}", run.stderr);
    assert!(!desktop.file().unwrap().contains(&secret_key));
    desktop.sandbox.run(&["-c", "print(6 * 7)", "python"]).expect(0, "42\n");

    // A user who disables the keyring is asked for the secret again.
    let configuration = desktop.sandbox.home().join(".config/bai-repl/config.toml");
    std::fs::create_dir_all(configuration.parent().unwrap()).unwrap();
    std::fs::write(&configuration, "keyring = false\n").unwrap();
    let run = desktop.sandbox.run(&["-c", "1", "python"]);
    run.expect(REFUSED, "");
    assert!(run.stderr.contains("bai-repl login http://127.0.0.1"), "{}", run.stderr);
    desktop.log_in().expect(0, "");
    assert!(desktop.file().unwrap().contains(&secret_key));
    std::fs::write(&configuration, "").unwrap();

    desktop.log_in().expect(0, "");
    let run = desktop.sandbox.run(&["logout"]);
    run.expect(0, "");
    assert_eq!(desktop.file(), None);
}

#[test]
fn without_a_keyring_the_file_keeps_the_secret() {
    let Some(desktop) = Desktop::new() else { return };
    let (_, secret_key) = desktop.engine.keys();
    let run = desktop.log_in();
    run.expect(0, "");
    assert!(!run.stderr.contains("keyring"), "{}", run.stderr);
    assert!(desktop.file().unwrap().contains(&secret_key));
    desktop.sandbox.run(&["-c", "print(6 * 7)", "python"]).expect(0, "42\n");
}

#[test]
fn a_keyring_that_is_gone_is_reported_and_the_login_can_be_repeated() {
    let Some(mut desktop) = Desktop::with_keyring() else { return };
    desktop.log_in().expect(0, "");
    let mut keyring = desktop.programs.pop().unwrap();
    keyring.kill().unwrap();
    keyring.wait().unwrap();
    let run = desktop.sandbox.run(&["-c", "1", "python"]);
    run.expect(REFUSED, "");
    assert!(run.stderr.contains("the system keyring does not give the secret"), "{}", run.stderr);
    // Keys from another source need no keyring.
    let (access_key, secret_key) = desktop.engine.keys();
    desktop.sandbox.set("BACKEND_ACCESS_KEY", access_key);
    desktop.sandbox.set("BACKEND_SECRET_KEY", secret_key.as_str());
    desktop.sandbox.run(&["-c", "print(6 * 7)", "python"]).expect(0, "42\n");
    desktop.sandbox.unset("BACKEND_ACCESS_KEY");
    desktop.sandbox.unset("BACKEND_SECRET_KEY");

    desktop.log_in().expect(0, "");
    assert!(desktop.file().unwrap().contains(&secret_key));
    desktop.sandbox.run(&["-c", "print(6 * 7)", "python"]).expect(0, "42\n");
}
