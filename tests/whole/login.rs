//! Session mode in the whole program: login with its questions, all commands through the web server's proxy, logout,
//! and all ways in which a login can fail.

use super::bad_inputs::{CONNECT, NOT_FOUND, REFUSED, expect_failure};
use super::daemon::Daemon;
use super::web_server::{CODE, PASSWORD, USER, WebServer};
use bai_testkit::{FakeTerminal, Finished, Sandbox};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

struct Lab {
    sandbox: Sandbox,
    web: WebServer,
    engine: Daemon,
    _home: Sandbox,
}

impl Lab {
    fn new() -> Self {
        let home = Sandbox::new();
        let engine = Daemon::start(&home);
        let web = WebServer::before(&engine);
        Lab { sandbox: Sandbox::new(), web, engine, _home: home }
    }

    fn log_in(&self, lines: &str) -> Finished {
        let arguments = ["login", &self.web.endpoint, "--user", USER, "--password-stdin"];
        self.sandbox.run_with_stdin(&arguments, lines.as_bytes())
    }

    fn log_in_successfully(&self) {
        self.log_in(&format!("{PASSWORD}\n")).expect(0, "");
    }

    /// Checks a refused login: exit code, words, no stored login, no secret in the output.
    #[track_caller]
    fn expect_refused(&self, lines: &str, words: &[&str]) {
        let run = self.log_in(lines);
        run.expect(REFUSED, "");
        for word in words {
            assert!(run.stderr.contains(word), "{word:?} in {}", run.stderr);
        }
        assert!(!run.stderr.contains(PASSWORD), "{}", run.stderr);
        assert!(self.login_files().is_empty());
    }

    fn login_files(&self) -> Vec<PathBuf> {
        let folder = self.sandbox.home().join(".local/state/bai-repl/logins");
        let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
        entries.map(|entry| entry.unwrap().path()).collect()
    }
}

#[test]
fn a_key_pair_at_a_web_server_is_explained() {
    let mut lab = Lab::new();
    lab.sandbox.set("BACKEND_ACCESS_KEY", "AKIAIOSFODNN7EXAMPLE");
    lab.sandbox.set("BACKEND_SECRET_KEY", "not-a-real-secret-key");
    let words = ["is a web server, which needs a login with a user name", "hint: log in to it"];
    expect_failure(&lab.sandbox, &["--endpoint", &lab.web.endpoint, "ls"], CONNECT, &words);
}

#[test]
fn a_user_logs_in_works_and_logs_out() {
    let lab = Lab::new();
    lab.web.state().wants_code = true;
    let terminal = FakeTerminal::start(&lab.sandbox, &["login", &lab.web.endpoint]);
    terminal.wait_for("user name at");
    terminal.enter(USER);
    terminal.wait_for(&format!("password of {USER}"));
    terminal.enter(PASSWORD);
    terminal.wait_for("one-time code:");
    terminal.enter(CODE);
    terminal.wait_for("logged in to 127.0.0.1");
    let raw = String::from_utf8_lossy(&terminal.raw()).into_owned();
    assert!(!raw.contains(PASSWORD) && !raw.contains(CODE), "{raw}");
    assert_eq!(terminal.wait_for_end().code, 0);

    let files = lab.login_files();
    assert_eq!(files.len(), 1);
    assert_eq!(std::fs::metadata(&files[0]).unwrap().permissions().mode() & 0o777, 0o600);
    let text = std::fs::read_to_string(&files[0]).unwrap();
    assert!(!text.contains(PASSWORD) && !text.contains(CODE), "the password is not kept");

    lab.sandbox.run(&["-c", "print(6 * 7)", "python"]).expect(0, "42\n");
    lab.sandbox.run(&["--transport", "poll", "-c", "print(6 * 7)", "python"]).expect(0, "42\n");
    let terminal = FakeTerminal::start(&lab.sandbox, &["pty", "--raw"]);
    terminal.wait_until("a shell", |screen| screen.all.trim_end().ends_with(['$', '#']));
    terminal.enter("echo pty-$((40+2)); exit");
    terminal.wait_for("pty-42");
    terminal.wait_for_end();

    lab.sandbox.run(&["logout"]).expect(0, "");
    assert!(lab.login_files().is_empty() && lab.web.state().cookies.is_empty());
    expect_failure(&lab.sandbox, &["logout"], NOT_FOUND, &["not logged in", "bai-repl login"]);
    // Without a login the engine of this machine is used.
    lab.sandbox.run(&["-c", "print(6 * 7)", "python"]).expect(0, "42\n");
}

#[test]
fn an_expired_cookie_is_reported_and_a_new_login_continues() {
    let lab = Lab::new();
    lab.log_in_successfully();
    let terminal = FakeTerminal::start(&lab.sandbox, &["python"]);
    terminal.wait_for_prompt("python ❯");
    terminal.enter("x = 20; print('x', 'is set')");
    terminal.wait_for("x is set");
    terminal.wait_for_prompt("python ❯");
    lab.web.state().cookies.clear();
    // The socket of the next cell may have been opened before.
    terminal.enter("print('before', x)");
    terminal.wait_for_prompt("python ❯");
    terminal.enter("print('lost', x)");
    let message = terminal.wait_for("bai-repl login http://127.0.0.1");
    assert!(message.all.contains("has ended"), "{}", message.all);
    terminal.wait_for_prompt("python ❯");
    lab.log_in_successfully();
    terminal.enter("print('back', x + 1)");
    terminal.wait_for("back 21");
    terminal.wait_for_prompt("python ❯");
    terminal.send("\x04");
    assert_eq!(terminal.wait_for_end().code, 0);
}

#[test]
fn a_refused_login_is_reported_with_its_reason() {
    let lab = Lab::new();
    lab.expect_refused("wrong\n", &["User credential mismatch.", "password"]);
    lab.web.state().wants_code = true;
    lab.expect_refused(&format!("{PASSWORD}\n000000\n"), &["Invalid TOTP code."]);
    lab.web.state().wants_code = false;
    lab.web.state().taken = true;
    lab.expect_refused(&format!("{PASSWORD}\n"), &["active", "--force"]);
    let arguments = ["login", &lab.web.endpoint, "--user", USER, "--password-stdin", "--force"];
    lab.sandbox.run_with_stdin(&arguments, PASSWORD.as_bytes()).expect(0, "");
    lab.sandbox.run(&["logout"]).expect(0, "");
    lab.expect_refused("wrong\n", &["mismatch"]);
    lab.expect_refused("wrong\n", &["mismatch"]);
    lab.expect_refused(&format!("{PASSWORD}\n"), &["Too many failed login attempts", "wait"]);
}

#[test]
fn a_required_code_that_cannot_be_asked_is_reported() {
    let lab = Lab::new();
    lab.web.state().wants_code = true;
    let run = lab.log_in(&format!("{PASSWORD}\n"));
    run.expect(2, "");
    assert!(run.stderr.contains("standard input ended"), "{}", run.stderr);
    let run = lab.sandbox.run(&["login", &lab.web.endpoint, "--user", USER]);
    run.expect(2, "");
    assert!(run.stderr.contains("BACKEND_PASSWORD"), "{}", run.stderr);
}

#[test]
fn a_web_server_whose_manager_is_down_is_reported() {
    let lab = Lab::new();
    lab.log_in_successfully();
    let page = "<html>\u{1b}]0;x\u{7}<h1>502 Bad Gateway</h1></html>";
    let answer = format!(
        "HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/html\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{page}",
        page.len()
    );
    lab.web.state().always = Some(answer);
    expect_failure(&lab.sandbox, &["-c", "1", "python"], CONNECT, &["502", "web page"]);
    let run = lab.log_in(&format!("{PASSWORD}\n"));
    run.expect(CONNECT, "");
    assert!(run.stderr.contains("502") && !run.stderr.contains('\u{1b}'), "{}", run.stderr);
    // A login that the server cannot end is still deleted here.
    lab.sandbox.run(&["logout"]).expect(0, "");
    assert!(lab.login_files().is_empty());
}

#[test]
fn a_cookie_is_sent_to_its_own_server_only() {
    let lab = Lab::new();
    lab.log_in_successfully();

    let other = WebServer::before(&lab.engine);
    let to = &other.endpoint;
    lab.web.state().always = Some(format!(
        "HTTP/1.1 307 Go\r\nLocation: {to}/func/session\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    ));
    expect_failure(&lab.sandbox, &["-c", "1", "python"], CONNECT, &["redirect", to]);
    expect_failure(&lab.sandbox, &["--endpoint", to, "-c", "1", "python"], 2, &["bai-repl login"]);
}

#[test]
fn a_login_that_others_can_read_is_not_used() {
    let lab = Lab::new();
    lab.log_in_successfully();
    std::fs::set_permissions(&lab.login_files()[0], PermissionsExt::from_mode(0o644)).unwrap();
    expect_failure(&lab.sandbox, &["-c", "1", "python"], 2, &["other users may read it", "chmod 600"]);
}

#[test]
fn the_official_clients_cookie_is_taken() {
    let mut lab = Lab::new();
    lab.log_in_successfully();
    let id = lab.web.state().cookies[0].clone();
    std::fs::remove_file(&lab.login_files()[0]).unwrap();
    let endpoint = lab.web.endpoint.clone();
    lab.sandbox.set("BACKEND_ENDPOINT", endpoint);
    lab.sandbox.set("BACKEND_ENDPOINT_TYPE", "session");
    expect_failure(&lab.sandbox, &["-c", "1", "python"], REFUSED, &["not logged in", "bai-repl login"]);
    let folder = lab.sandbox.home().join(".local/state/backend.ai");
    std::fs::create_dir_all(&folder).unwrap();
    let jar = folder.join("cookie.dat");
    let morsel =
        serde_json::json!({"key": "AIOHTTP_SESSION", "value": id, "coded_value": id, "host_only": true});
    let text = serde_json::json!({"127.0.0.1|/": {"AIOHTTP_SESSION": morsel}}).to_string();
    std::fs::write(&jar, text).unwrap();
    std::fs::set_permissions(&jar, PermissionsExt::from_mode(0o600)).unwrap();
    lab.sandbox.run(&["-c", "print(6 * 7)", "python"]).expect(0, "42\n");
    // A cookie for a host does not go where the file of a folder says: that may be another port of the host.
    lab.sandbox.unset("BACKEND_ENDPOINT");
    lab.sandbox.unset("BACKEND_ENDPOINT_TYPE");
    let file = lab
        .sandbox
        .write(".env", format!("BACKEND_ENDPOINT={}\nBACKEND_ENDPOINT_TYPE=session\n", lab.web.endpoint));
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o600)).unwrap();
    expect_failure(&lab.sandbox, &["-c", "1", "python"], REFUSED, &["not logged in"]);
    // A login of ours is one at this very endpoint.
    lab.log_in_successfully();
    lab.sandbox.run(&["-c", "print(6 * 7)", "python"]).expect(0, "42\n");
    std::fs::remove_file(&file).unwrap();
    std::fs::remove_file(&lab.login_files()[0]).unwrap();
    lab.sandbox.set("BACKEND_ENDPOINT", lab.web.endpoint.clone());
    lab.sandbox.set("BACKEND_ENDPOINT_TYPE", "session");
    std::fs::write(&jar, b"\x80\x04\x95\x00pickle").unwrap();
    expect_failure(&lab.sandbox, &["-c", "1", "python"], 2, &["older client", "log in again"]);
}
