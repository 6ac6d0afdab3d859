//! Services with real programs and real sockets.

use super::definition::Definition;
use super::*;
use serde_json::{Value, json};
use std::process::Stdio;
use tokio::io::AsyncReadExt;
use tokio::process::Command;

const SERVER: &str = "import http.server,os,sys\nprint(sys.argv, os.environ.get('GREETING'))\n\
    http.server.HTTPServer(('127.0.0.1', int(sys.argv[1])), http.server.SimpleHTTPRequestHandler).serve_forever()";

fn known(definition: Value) -> KnownService {
    let definition: Definition = serde_json::from_value(definition).unwrap();
    KnownService { app: App { name: "x".into(), ..App::default() }, definition, on_socket: false }
}

fn services(folder: &Path) -> Services {
    Services::new(folder.to_owned(), Vec::new(), vec![8190])
}

async fn launch(services: &Services, definition: Value) -> Result<Running, String> {
    let asked = ServiceParameters::default();
    let KnownService { definition, on_socket, .. } = &known(definition);
    let launch = Launch {
        definition,
        program: Path::new(""),
        workdir: &services.workdir,
        on_socket: *on_socket,
        place: &Listen::Private,
        asked: &asked,
        limit: None,
    };
    timeout(Duration::from_secs(60), launch.start(&services.env, &services.token)).await.unwrap()
}

#[tokio::test]
async fn a_service_runs_until_it_is_dropped() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("hello"), "from the session").unwrap();
    let services = services(folder.path());
    let definition = json!({
        "command": ["python3", "{code}", "{ports[0]}"], "env": {"GREETING": "{cmd[out]}"},
        "prestart": [
            {"action": "write_tempfile", "args": {"body": [SERVER]}, "ref": "code"},
            {"action": "run_command", "args": {"command": ["echo", "hi"]}, "ref": "cmd"},
            {"action": "mkdir", "args": {"path": "made"}},
        ],
    });
    let running = launch(&services, definition).await.unwrap();
    assert!(folder.path().join("made").is_dir());
    let mut connection = running.address.connect().await.unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut connection, b"GET /hello HTTP/1.0\r\n\r\n").await.unwrap();
    let mut reply = String::new();
    connection.read_to_string(&mut reply).await.unwrap();
    assert!(reply.ends_with("from the session"), "{reply}");
    let address = running.address.clone();
    drop(running);
    // The system removes the socket a moment after the process.
    let refused = timeout(Duration::from_secs(30), async {
        while address.connect().await.is_ok() {
            tokio::task::yield_now().await;
        }
    });
    refused.await.unwrap();
}

#[tokio::test]
async fn the_folder_of_a_service_is_closed_to_other_users() {
    let folder = tempfile::tempdir().unwrap();
    let services = services(folder.path());
    let command = "stat -c %a {scratch} >mode; exec python3 -m http.server --bind 127.0.0.1 {ports[0]}";
    let _running = launch(&services, json!({"command": command})).await.unwrap();
    assert_eq!(std::fs::read_to_string(folder.path().join("mode")).unwrap(), "700\n");
}

#[tokio::test]
async fn a_service_whose_port_was_taken_gets_another_one() {
    let folder = tempfile::tempdir().unwrap();
    let services = services(folder.path());
    let command = "echo {ports[0]} >>ports\n\
        if [ $(wc -l <ports) -eq 1 ]; then echo Address already in use >&2; exit 1; fi\n\
        exec python3 -m http.server --bind 127.0.0.1 {ports[0]}";
    let running = launch(&services, json!({"command": command})).await.unwrap();
    let ports = std::fs::read_to_string(folder.path().join("ports")).unwrap();
    let ports: Vec<_> = ports.lines().collect();
    assert_eq!(running.address, ServiceAddress::Port(ports[1].parse().unwrap()));
    assert_eq!(ports.len(), 2, "{ports:?}");
    assert!(running.address.connect().await.is_ok());
    let why = launch(&services, json!({"command": "echo address already in use; exit 1"})).await.unwrap_err();
    assert!(why.contains("address already in use"), "{why}");
}

#[tokio::test]
async fn a_listener_of_another_user_is_not_taken_for_the_service() {
    if bai_testkit::as_another_user("true").is_none() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let services = services(folder.path());
    // Another user has no access to this user's interpreters, but to the system's.
    let command = "exec env PATH=/usr/bin:/bin setpriv --reuid 65534 --clear-groups \
        python3 -m http.server --bind 127.0.0.1 {ports[0]}";
    let why = launch(&services, json!({"command": command, "shell": "sh"})).await.unwrap_err();
    assert!(why.contains("belongs to another user, uid 65534"), "{why}");
}

#[tokio::test]
async fn a_token_reaches_a_service_by_its_environment_alone() {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("jupyter-notebook");
    let script = "#!/bin/sh\necho \"$JUPYTER_TOKEN\" >token\necho \"$*\" >arguments\n\
        exec python3 -c 'import socket,sys,time; s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1][7:])\n\
        s.listen()\ntime.sleep(600)' \"$3\"\n";
    std::fs::write(&program, script).unwrap();
    std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", folder.path().display(), std::env::var("PATH").unwrap());
    let services = Services::new(folder.path().to_owned(), vec![("PATH".into(), path)], Vec::new());
    let jupyter = services.apps().into_iter().find(|app| app.name == "jupyter").unwrap();
    let asked = ServiceParameters::default();
    let started = services.start("jupyter", None, &asked);
    timeout(Duration::from_secs(60), started).await.unwrap().unwrap();
    let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap().trim().to_owned();
    let token = read("token");
    assert_eq!(token.len(), 32, "{token}");
    assert_eq!(jupyter.url("127.0.0.1", 80), format!("http://127.0.0.1:80/?token={token}"));
    assert!(!read("arguments").contains("token"), "{}", read("arguments"));
    assert!(!format!("{services:?} {jupyter:?}").contains(&token), "secrets are not printed");
    // A container's ports have the protection of the cluster.
    let at_port = services.apps_at_ports().into_iter().find(|app| app.name == "jupyter").unwrap();
    assert_eq!(at_port.url("127.0.0.1", 80), "http://127.0.0.1:80/");
    let others = Services::new(folder.path().to_owned(), Vec::new(), Vec::new());
    assert!(!others.apps().iter().any(|app| app.url("", 1).contains(&token)));
}

#[tokio::test]
async fn a_service_that_does_not_start_is_reported_with_its_reason() {
    let folder = tempfile::tempdir().unwrap();
    let services = services(folder.path());
    let why = launch(&services, json!({"command": "echo no such luck >&2; exit 3"})).await.unwrap_err();
    assert_eq!(why, "it ended with exit code 3; its last output: no such luck");
    let why = launch(&services, json!({"command": ["/nonexistent/program"]})).await.unwrap_err();
    assert!(why.contains("/nonexistent/program cannot be run"), "{why}");
    let why = launch(&services, json!({"command": ["{nope}"]})).await.unwrap_err();
    assert!(why.contains("{nope} has no value"), "{why}");
    let step = json!({"command": ["true"], "prestart": [{"action": "dance"}]});
    let why = launch(&services, step).await.unwrap_err();
    assert!(why.contains("dance is not a known step"), "{why}");
}

#[tokio::test]
async fn ports_that_the_user_serves_have_no_program_to_start() {
    let folder = tempfile::tempdir().unwrap();
    let services = services(folder.path());
    let none = ServiceParameters::default();
    assert_eq!(services.start("8190", None, &none).await.unwrap(), ServiceAddress::Port(8190));
    assert!(matches!(
        services.start("8190", Some(80), &none).await,
        Err(ServiceError::Port { port: 80, .. })
    ));
    assert!(matches!(services.start("nope", None, &none).await, Err(ServiceError::Unknown(_))));
    assert!(services.apps().iter().any(|app| app.name == "8190" && app.protocol == "preopen"));
    assert!(!services.stop("nope").await);
}

#[test]
fn definition_files_are_read_and_broken_ones_are_skipped() {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in [
        ("web.json", r#"{"command": ["x"], "allowed_arguments": ["--a"]}"#),
        ("broken.json", "{"),
        ("other.json", r#"{"command": ["x"], "what": 1}"#),
        ("notes.txt", ""),
    ] {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let names: Vec<_> = catalog::defined(folder.path()).into_iter().map(|(known, _)| known.app).collect();
    assert_eq!(names.len(), 1, "{names:?}");
    assert_eq!((names[0].name.as_str(), &names[0].allowed_arguments[..]), ("web", &["--a".to_owned()][..]));
    assert!(catalog::defined(Path::new("/nonexistent")).is_empty());
}

#[test]
fn a_label_adds_what_a_definition_file_omits() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("web.json"), r#"{"command": ["x"]}"#).unwrap();
    std::fs::write(folder.path().join("echo.json"), r#"{"command": ["x"]}"#).unwrap();
    let label = ("BACKENDAI_SERVICE_PORTS".into(), "echo:tcp:[8171,8172],other:http:8173".into());
    let apps: Vec<App> =
        catalog::find(folder.path(), &[label], true).into_iter().map(|(known, _)| known.app).collect();
    let named = |name: &str| {
        apps.iter().find(|app| app.name == name).map(|app| (app.protocol.as_str(), &app.ports[..]))
    };
    assert_eq!(named("echo"), Some(("tcp", &[8171, 8172][..])));
    assert_eq!(named("web").unwrap().0, "http");
    assert_eq!(named("other"), None);
}

#[test]
fn an_option_of_a_known_service_occurs_once() {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("tensorboard");
    std::fs::write(&program, "").unwrap();
    std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let env = [("PATH".into(), folder.path().into())];
    let (known, found) = catalog::find(folder.path(), &env, true)
        .into_iter()
        .find(|(known, _)| known.app.name == "tensorboard")
        .unwrap();
    assert_eq!(found, program);
    let variables = [("runtime_path", json!("tb")), ("host", json!("::1")), ("ports", json!([80]))];
    let variables = variables.map(|(name, value)| (name.to_owned(), value)).into();
    let words = |asked: &ServiceParameters| known.definition.words(asked, &variables).unwrap().join(" ");
    let mut asked = ServiceParameters::default();
    assert_eq!(words(&asked), "tb --host ::1 --port 80 --logdir .");
    asked.add_argument("--logdir runs").unwrap();
    assert_eq!(known.definition.check(&asked, &env), Ok(()));
    assert_eq!(words(&asked), "tb --host ::1 --port 80 --logdir runs");
}

/// A home folder with pairs of keys for the real sshd.
struct SshHome {
    folder: tempfile::TempDir,
}

impl SshHome {
    /// `None` if a program is missing.
    fn new() -> Option<Self> {
        if !Path::new("/usr/sbin/sshd").exists() {
            bai_testkit::leave_out("sshd");
            return None;
        }
        let is_complete = ["ssh", "sftp", "ssh-keygen"].into_iter().all(bai_testkit::need);
        let home = SshHome { folder: tempfile::tempdir().unwrap() };
        std::fs::create_dir(home.folder.path().join(".ssh")).unwrap();
        home.mode("", 0o755);
        home.mode(".ssh", 0o755);
        is_complete.then_some(home)
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    fn mode(&self, name: &str, mode: u32) {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(mode);
        std::fs::set_permissions(self.path(name), mode).unwrap();
    }

    /// Makes a pair of keys in `.ssh`, and returns the path of the private one.
    async fn pair(&self, name: &str) -> String {
        let key = self.path(&format!(".ssh/{name}"));
        run(&["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", &key], "").await;
        key
    }

    fn authorize(&self, key: &str) {
        std::fs::copy(format!("{key}.pub"), self.path(".ssh/authorized_keys")).unwrap();
        self.mode(".ssh/authorized_keys", 0o644);
    }

    fn services(&self) -> Services {
        Services::new(self.folder.path().to_owned(), vec![("HOME".into(), self.path(""))], Vec::new())
    }
}

/// The options of ssh and sftp for a login with this key alone.
fn login_with(key: &str) -> [&str; 8] {
    [
        "-i",
        key,
        "-oIdentitiesOnly=yes",
        "-oBatchMode=yes",
        "-oStrictHostKeyChecking=no",
        "-oUserKnownHostsFile=/dev/null",
        "-F",
        "none",
    ]
}

fn at_this_machine() -> String {
    let user = nix::unistd::User::from_uid(nix::unistd::getuid()).unwrap().unwrap();
    format!("{}@127.0.0.1", user.name)
}

/// Starts sshd or sftp, and returns its port.
async fn start_ssh(services: &Services, name: &str) -> Result<String, String> {
    let asked = ServiceParameters::default();
    match timeout(Duration::from_secs(60), services.start(name, None, &asked)).await.unwrap() {
        Ok(ServiceAddress::Port(port)) => Ok(port.to_string()),
        Ok(other) => panic!("{other:?}"),
        Err(error) => Err(error.to_string()),
    }
}

#[tokio::test]
async fn sshd_gives_the_owner_a_shell_and_file_transfer() {
    let Some(home) = SshHome::new() else { return };
    let key = home.pair("id_own").await;
    home.authorize(&key);
    std::fs::write(home.path("file"), "from the session").unwrap();
    let (services, options, at) = (home.services(), login_with(&key), at_this_machine());
    for (name, command, input) in
        [("sshd", "ssh", "echo in the session"), ("sftp", "sftp", "get file copied\n")]
    {
        let port = start_ssh(&services, name).await.unwrap();
        let remote = format!("{at}:{}", home.path(""));
        let error = match command {
            "ssh" => run(&[&["ssh", "-p", &port], &options[..], &[&at, input]].concat(), "").await,
            _ => {
                let words = [&["sftp", "-P", &port], &options[..], &["-b", "-", &remote]].concat();
                run(&words, &format!("lcd {}\n{input}", home.path(""))).await
            }
        };
        assert!(command != "ssh" || error == "in the session\n", "{error}");
        assert!(services.stop(name).await);
    }
    assert_eq!(std::fs::read_to_string(home.path("copied")).unwrap(), "from the session");
}

#[tokio::test]
async fn sshd_lets_in_only_who_has_an_authorized_key() {
    let Some(home) = SshHome::new() else { return };
    let (own, colleague) = (home.pair("id_own").await, home.pair("id_colleague").await);
    let services = home.services();
    for name in ["sshd", "sftp"] {
        std::fs::remove_file(home.path(".ssh/authorized_keys")).ok();
        let why = start_ssh(&services, name).await.unwrap_err();
        assert!(why.contains("~/.ssh/authorized_keys has no key that may log in; add yours"), "{why}");
        std::fs::write(home.path(".ssh/authorized_keys"), "# none yet\n\n").unwrap();
        let why = start_ssh(&services, name).await.unwrap_err();
        assert!(why.contains("has no key that may log in"), "{why}");

        home.authorize(&own);
        let port = start_ssh(&services, name).await.unwrap();
        let at = at_this_machine();
        let words = [&["-p", &port], &login_with(&colleague)[..], &[&at, "true"]].concat();
        let login = Command::new("ssh").args(words).kill_on_drop(true).output();
        let login = timeout(Duration::from_secs(60), login).await.unwrap().unwrap();
        let error = String::from_utf8_lossy(&login.stderr);
        assert_eq!(login.status.code(), Some(255), "{error}");
        assert!(error.contains("Permission denied (publickey)"), "{error}");
        assert!(services.stop(name).await);
    }
}

#[tokio::test]
async fn sshd_uses_no_key_that_others_could_have_written() {
    let Some(home) = SshHome::new() else { return };
    let own = home.pair("id_own").await;
    home.authorize(&own);
    let services = home.services();
    for (name, open, closed) in [
        (".ssh/authorized_keys", 0o666, 0o644),
        (".ssh", 0o777, 0o700),
        (".ssh", 0o775, 0o755),
        ("", 0o757, 0o755),
    ] {
        home.mode(name, open);
        let why = start_ssh(&services, "sshd").await.unwrap_err();
        assert!(why.contains("~/.ssh/authorized_keys is not used") && why.contains("chmod go-w"), "{why}");
        home.mode(name, closed);
    }
    // A link leads to a file that others can write, or to one in a folder of theirs.
    let shared = tempfile::tempdir().unwrap();
    let target = shared.path().join("keys");
    std::fs::rename(home.path(".ssh/authorized_keys"), &target).unwrap();
    std::os::unix::fs::symlink(&target, home.path(".ssh/authorized_keys")).unwrap();
    let set = |mode| std::os::unix::fs::PermissionsExt::from_mode(mode);
    std::fs::set_permissions(shared.path(), set(0o777)).unwrap();
    let why = start_ssh(&services, "sshd").await.unwrap_err();
    assert!(why.contains(&*shared.path().to_string_lossy()), "{why}");
    std::fs::remove_file(home.path(".ssh/authorized_keys")).unwrap();
    std::fs::rename(&target, home.path(".ssh/authorized_keys")).unwrap();
    // Only the administrator can give files away.
    let (key, nobody) = (home.path(".ssh/authorized_keys"), Some(65534));
    if std::os::unix::fs::chown(&key, nobody, None).is_ok() {
        let why = start_ssh(&services, "sshd").await.unwrap_err();
        assert!(why.contains("belongs to another user"), "{why}");
        std::os::unix::fs::chown(&key, Some(0), None).unwrap();
    }
    start_ssh(&services, "sshd").await.unwrap();
}

/// Runs a program that has to succeed, and returns its standard output.
async fn run(words: &[&str], input: &str) -> String {
    let mut command = Command::new(words[0]);
    command
        .args(&words[1..])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut stdin, input.as_bytes()).await.unwrap();
    drop(stdin);
    let output = timeout(Duration::from_secs(60), child.wait_with_output()).await.unwrap().unwrap();
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
