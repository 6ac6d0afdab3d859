//! `bai-repl ssh`, `scp` and `tunnel`, with the system's ssh and sshd, and with a program of these tests in the place of ssh, which tells
//! what it was given.

use bai_testkit::{Finished, Sandbox};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

/// Prints its options and its other words, one in a line, and what the command that connects it says first.
const SSH: &str = r#"#!/bin/sh
for word; do
    echo "$word"
    case $word in
    ProxyCommand=*) proxy=${word#*=} ;;
    esac
done
[ -z "$CONNECT" ] || sh -c "exec $proxy" </dev/null | head -c 4
exit 17
"#;

/// The key that the fake ssh is given.
const KEY: &str = "a key\n";

/// A session on a machine with sshd. `None` where a program is missing.
fn with_sshd() -> Option<(Sandbox, PathBuf)> {
    if !Path::new("/usr/sbin/sshd").exists() {
        bai_testkit::leave_out("sshd");
        return None;
    }
    if !["ssh", "scp", "ssh-keygen"].into_iter().all(bai_testkit::need) {
        return None;
    }
    let mut sandbox = Sandbox::new();
    // The files of the service are there, so that the sandbox finds an sshd that has not ended.
    sandbox.set("TMPDIR", sandbox.home().to_str().unwrap());
    sandbox.authorize_a_key();
    let folder = sandbox.home().join(".ssh");
    let key = folder.join("id_test");
    let made = sandbox.program("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&key).status();
    assert!(made.unwrap().success());
    std::fs::copy(key.with_extension("pub"), folder.join("authorized_keys")).unwrap();
    sandbox.run(&["-t", "work", "-p", "1", "python"]).expect(0, "1\n");
    Some((sandbox, key))
}

/// A folder with the fake ssh and scp alone.
fn fake_programs(sandbox: &Sandbox) -> PathBuf {
    let folder = sandbox.home().join("programs");
    std::fs::create_dir(&folder).unwrap();
    for name in ["ssh", "scp"] {
        let path = folder.join(name);
        std::fs::write(&path, SSH).unwrap();
        std::fs::set_permissions(path, PermissionsExt::from_mode(0o755)).unwrap();
    }
    folder
}

/// Runs the binary with the fake ssh.
fn run_fake(sandbox: &Sandbox, connect: bool, arguments: &[&str]) -> Finished {
    let path = format!("{}/programs:{}", sandbox.home().display(), std::env::var("PATH").unwrap());
    let mut command = sandbox.command(arguments);
    let output = command.env("PATH", path).env("CONNECT", if connect { "yes" } else { "" }).output().unwrap();
    Finished {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// The keys that are kept.
fn keys(sandbox: &Sandbox) -> Vec<PathBuf> {
    let Ok(servers) = std::fs::read_dir(sandbox.home().join(".local/state/bai-repl/ssh")) else {
        return Vec::new();
    };
    let files = servers.flat_map(|server| std::fs::read_dir(server.unwrap().path()).unwrap());
    files.map(|file| file.unwrap().path()).collect()
}

#[test]
fn ssh_and_scp_reach_the_sshd_of_a_session() {
    let Some((sandbox, key)) = with_sshd() else { return };
    let key = key.to_str().unwrap();
    let own = ["-i", key, "-F", "none", "-o", "BatchMode=yes"];
    let ssh = |words: &[&str]| sandbox.run(&[&["ssh", "work"], &own[..], words].concat());
    ssh(&["echo in the session; exit 7"]).expect(7, "in the session\n");
    let mut piped = sandbox.command(&[&["ssh", "wor"], &own[..], &["tr a-z A-Z"]].concat());
    let mut piped = piped.stdin(Stdio::piped()).spawn().unwrap();
    piped.stdin.take().unwrap().write_all(b"through").unwrap();
    let output = piped.wait_with_output().unwrap();
    assert_eq!((output.status.code(), &*output.stdout), (Some(0), &b"THROUGH"[..]));

    let target = sandbox.home().join("copied");
    std::fs::write(&target, "from the session").unwrap();
    let scp = |words: &[&str]| sandbox.run(&[&["scp"], &own[..], words].concat());
    scp(&["-q", &format!("work:{}", target.display()), "."]).expect(0, "");
    assert_eq!(std::fs::read_to_string(sandbox.work().join("copied")).unwrap(), "from the session");
    sandbox.write("up", "to the session");
    scp(&["up", &format!("wor:{}", target.display())]).expect(0, "");
    assert_eq!(std::fs::read_to_string(target).unwrap(), "to the session");
    let hosts = sandbox.home().join(".ssh/known_hosts");
    assert!(!hosts.exists() && keys(&sandbox).is_empty(), "an engine makes no key");
    sandbox.run(&["rm", "work"]).expect(0, "");
}

#[test]
fn what_follows_the_name_belongs_to_ssh_and_so_does_the_exit_code() {
    let Some((sandbox, _)) = with_sshd() else { return };
    fake_programs(&sandbox);
    let run = run_fake(&sandbox, true, &["-v", "ssh", "work", "-q", "--json", "-L", "1:h:2", "ls", "-t"]);
    let words: Vec<_> = run.stdout.lines().collect();
    let host = words.iter().position(|word| *word == "work").unwrap();
    assert_eq!(words[host - 1], "-v");
    assert_eq!(words[host..], ["work", "-q", "--json", "-L", "1:h:2", "ls", "-t", "SSH-"], "{}", run.stderr);
    assert_eq!(run.code, Some(17));
    for option in ["StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null"] {
        assert!(words.contains(&option), "{words:?}");
    }
    assert!(!run.stdout.contains("User=work") && !run.stdout.contains("IdentityFile"), "{}", run.stdout);

    let run = run_fake(&sandbox, false, &["scp", "-r", "-P", "22", "./a:b", "wo:c", "user@wo:"]);
    let words: Vec<_> = run.stdout.lines().collect();
    assert_eq!(words[words.len() - 6..], ["-r", "-P", "22", "./a:b", "work:c", "work:"], "{}", run.stderr);
    let section = sandbox.run(&["ssh", "wo", "--config"]);
    let lines: Vec<_> = section.stdout.lines().collect();
    assert_eq!(lines[0], "Host work", "{}", section.stderr);
    assert!(lines[1].starts_with("    ProxyCommand ") && lines[1].ends_with(" sshd"), "{}", lines[1]);
    assert_eq!(sandbox.run(&["ssh", "--config", "work"]).stdout, section.stdout);
}

#[test]
fn the_key_of_a_session_is_kept_for_this_user_until_the_session_ends() {
    let Some((sandbox, _)) = with_sshd() else { return };
    fake_programs(&sandbox);
    let make = |name: &str| {
        let code = format!("open('id_container', 'w').write({KEY:?})");
        sandbox.run(&["-t", name, "-c", &code, "python"]).expect(0, "");
    };
    make("work");
    make("other");
    let given = |name: &str| {
        let run = run_fake(&sandbox, false, &["ssh", name]);
        assert!(run.stdout.contains("\nUser=work\n"), "{}{}", run.stdout, run.stderr);
        let path = run.stdout.lines().find_map(|line| line.strip_prefix("IdentityFile=")).unwrap();
        PathBuf::from(path.trim_matches('"'))
    };
    let key = given("work");
    assert_eq!(std::fs::read_to_string(&key).unwrap(), KEY);
    assert_eq!(std::fs::metadata(&key).unwrap().permissions().mode() & 0o7777, 0o600);
    std::fs::write(&key, "kept").unwrap();
    assert_eq!((given("work"), std::fs::read_to_string(&key).unwrap().as_str()), (key.clone(), "kept"));

    // That of a session that has ended elsewhere goes when the next one comes.
    std::fs::rename(&key, key.with_file_name("00000000-0000-0000-0000-000000000000")).unwrap();
    let other = given("other");
    assert_eq!(keys(&sandbox), [other]);
    assert_eq!(given("work"), key);
    assert_eq!(keys(&sandbox).len(), 2);
    sandbox.run(&["rm", "work", "other"]).expect(0, "");
    assert!(keys(&sandbox).is_empty());
}

#[test]
fn what_is_missing_is_said_in_one_line() {
    let mut sandbox = Sandbox::new();
    let programs = sandbox.home().join("few");
    std::fs::create_dir(&programs).unwrap();
    let find = sandbox.program("python3").args(["-c", "import sys; print(sys.executable)"]).output().unwrap();
    let python = String::from_utf8(find.stdout).unwrap();
    std::os::unix::fs::symlink(python.trim(), programs.join("python3")).unwrap();
    sandbox.set("PATH", programs.to_str().unwrap());
    sandbox.run(&["-t", "work", "-p", "1", "python"]).expect(0, "1\n");
    for command in [&["ssh", "work", "ls"][..], &["scp", "work:a", "."]] {
        let run = sandbox.run(command);
        run.expect(123, "");
        let said: Vec<_> = run.stderr.lines().collect();
        let expected =
            ["bai-repl: the session work has no sshd", "hint: bai-repl pty work opens a terminal in it"];
        assert_eq!(said, expected);
    }
    let run = sandbox.run(&["ssh", "nobody"]);
    run.expect(123, "");
    assert!(run.stderr.starts_with("bai-repl: no session is called nobody\n"), "{}", run.stderr);
    sandbox.run(&["rm", "work"]).expect(0, "");

    let Some((sandbox, _)) = with_sshd() else { return };
    for (name, word) in [("ssh", "work"), ("scp", "work:a")] {
        let output = sandbox.command(&[name, word]).env("PATH", "/nonexistent").output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.starts_with(&format!("bai-repl: {name} is not installed on this machine\n")), "{said}");
        assert_eq!(output.status.code(), Some(123));
    }
}

/// Listens at a free port, and answers the first line of each connection with another one. Prints the port, and one at which nobody
/// listens.
const SERVER: &str = "import socket, socketserver, threading
class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        # The engine looks whether somebody listens.
        if line := self.rfile.readline(): self.wfile.write(b'got ' + line)
class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
server = Server(('127.0.0.1', 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
with socket.create_server(('127.0.0.1', 0)) as unused: print(server.server_address[1], unused.getsockname()[1])";

#[test]
fn a_tunnel_is_one_connection_at_standard_input_and_output() {
    let sandbox = Sandbox::new();
    let ports = sandbox.run(&["-t", "work", "-c", SERVER, "python"]).stdout;
    let (port, unused) = ports.trim().split_once(' ').unwrap();
    let mut tunnel = sandbox.command(&["tunnel", "work", port]).stdin(Stdio::piped()).spawn().unwrap();
    // Standard input stays open: the tunnel ends with the connection.
    let mut input = tunnel.stdin.take().unwrap();
    input.write_all(b"a line\n").unwrap();
    let mut lines = BufReader::new(tunnel.stdout.take().unwrap()).lines();
    let said: Vec<_> = lines.by_ref().map(Result::unwrap).collect();
    let mut error = String::new();
    tunnel.stderr.take().unwrap().read_to_string(&mut error).unwrap();
    assert_eq!((said, tunnel.wait().unwrap().code()), (vec!["got a line".to_owned()], Some(0)), "{error}");
    drop(input);

    let nobody = sandbox.run(&["tunnel", "work", unused]);
    assert!(nobody.code != Some(0) && nobody.stderr.contains("no program listens"), "{}", nobody.stderr);
    let unknown = sandbox.run(&["tunnel", "work", "nothing"]);
    unknown.expect(123, "");
    assert!(unknown.stderr.contains("nothing"), "{}", unknown.stderr);
}
