//! The catalog of services: those whose program is installed, and those from definition files.

use super::definition::Definition;
use bai_protocol::service::{App, ArgumentValue, parse_service_ports};
use nix::unistd::{AccessFlags, access};
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

/// The folder in which images have definition files.
pub(super) const FOLDER: &str = "/etc/backend.ai/service-defs";
/// The variable with the image's label of services.
const SERVICE_PORTS: &str = "BACKENDAI_SERVICE_PORTS";
/// Services from definition files are listed with ports from here on. No process listens there.
const FIRST_LISTED_PORT: u16 = 8400;

/// A service that can be started.
#[derive(Debug, Clone)]
pub(super) struct KnownService {
    pub(super) app: App,
    pub(super) definition: Definition,
    /// Whether it listens at a socket in a private folder, `{socket}`, instead of a port, `{ports[0]}`.
    pub(super) on_socket: bool,
}

struct BuiltIn {
    name: &'static str,
    protocol: &'static str,
    /// The port that a cluster lists for it. Clients may name it; no process listens there.
    listed_port: u16,
    program: &'static str,
    /// Another program that it needs.
    needs: Option<&'static str>,
    /// Folders of the program, besides the search path.
    folders: &'static [&'static str],
    /// The command that listens at `{host}` and `{ports[0]}`.
    command: &'static [&'static str],
    /// The command that listens at `{socket}`, if it can. A service without authentication needs this, because a port is open to
    /// every user of this machine.
    on_socket: Option<&'static [&'static str]>,
    /// The variable that gives it a token, when it listens at a socket. The token is then part of its URL.
    token: Option<&'static str>,
    /// Options that a start may set, with their defaults.
    arguments: &'static [(&'static str, &'static str)],
}

/// The address for the user of a service that takes a token.
const URL_WITH_TOKEN: &str = "{protocol}://{host}:{port}/?token={token}";

/// The common defaults.
const PLAIN: BuiltIn = BuiltIn {
    name: "",
    protocol: "",
    listed_port: 0,
    program: "",
    needs: None,
    folders: &[],
    command: &[],
    on_socket: None,
    token: None,
    arguments: &[],
};

/// Folders that only root has in its search path.
const SYSTEM: &[&str] = &["/usr/sbin", "/usr/local/sbin"];
/// The script that starts sshd. It has no brace, which a template would try to fill.
const SSHD: &str = include_str!("sshd.sh");
/// The folder into which agents put programs.
const OF_AGENTS: &str = "/opt/kernel";

/// ttyd and code-server ask for no password: only the owner of the session can reach their sockets or a container's ports.
/// For the same reason Jupyter may run as any user, root included. At a socket it asks for a token nevertheless: the
/// listener of a client, which leads to the socket, is a port of the client's machine.
const BUILT_IN: &[BuiltIn] = &[
    BuiltIn {
        name: "jupyter",
        protocol: "http",
        listed_port: 8080,
        program: "jupyter-notebook",
        command: JUPYTER,
        on_socket: Some(JUPYTER_ON_SOCKET),
        token: Some("JUPYTER_TOKEN"),
        ..PLAIN
    },
    BuiltIn {
        name: "jupyterlab",
        protocol: "http",
        listed_port: 8090,
        program: "jupyter-lab",
        command: JUPYTER,
        on_socket: Some(JUPYTER_ON_SOCKET),
        token: Some("JUPYTER_TOKEN"),
        ..PLAIN
    },
    BuiltIn {
        name: "ttyd",
        protocol: "http",
        listed_port: 7681,
        program: "ttyd",
        folders: &[OF_AGENTS],
        command: &["{runtime_path}", "-W", "-i", "{host}", "-p", "{ports[0]}", "{shell}"],
        on_socket: Some(&["{runtime_path}", "-W", "-i", "{socket}", "{shell}"]),
        ..PLAIN
    },
    BuiltIn {
        name: "ipython",
        protocol: "http",
        listed_port: 8091,
        program: "ttyd",
        needs: Some("ipython"),
        folders: &[OF_AGENTS],
        command: &["{runtime_path}", "-W", "-i", "{host}", "-p", "{ports[0]}", "ipython"],
        on_socket: Some(&["{runtime_path}", "-W", "-i", "{socket}", "ipython"]),
        ..PLAIN
    },
    BuiltIn {
        name: "vscode",
        protocol: "http",
        listed_port: 8180,
        program: "code-server",
        command: &[
            "{runtime_path}",
            "--auth=none",
            "--disable-telemetry",
            "--disable-update-check",
            "--bind-addr={host}:{ports[0]}",
            ".",
        ],
        on_socket: Some(&[
            "{runtime_path}",
            "--auth=none",
            "--disable-telemetry",
            "--disable-update-check",
            "--socket={socket}",
            ".",
        ]),
        ..PLAIN
    },
    BuiltIn {
        name: "sshd",
        protocol: "tcp",
        listed_port: 2200,
        program: "sshd",
        needs: Some("ssh-keygen"),
        folders: SYSTEM,
        command: &["bash", "-c", SSHD, "sshd", "{runtime_path}", "{scratch}", "{host}", "{ports[0]}", ""],
        ..PLAIN
    },
    BuiltIn {
        name: "sftp",
        protocol: "tcp",
        listed_port: 2201,
        program: "sshd",
        needs: Some("ssh-keygen"),
        folders: SYSTEM,
        command: &[
            "bash",
            "-c",
            SSHD,
            "sshd",
            "{runtime_path}",
            "{scratch}",
            "{host}",
            "{ports[0]}",
            "internal-sftp",
        ],
        ..PLAIN
    },
    BuiltIn {
        name: "sshd",
        protocol: "tcp",
        listed_port: 2200,
        program: "dropbearmulti",
        folders: &[OF_AGENTS],
        command: &[
            "sh",
            "-c",
            "{runtime_path} dropbearkey -t ed25519 -f {scratch}/host_key >/dev/null && exec {runtime_path} dropbear -F -E \
             -s -r {scratch}/host_key -K 15 -p {host}:{ports[0]}",
        ],
        ..PLAIN
    },
    BuiltIn {
        name: "tensorboard",
        protocol: "http",
        listed_port: 6006,
        program: "tensorboard",
        command: &["{runtime_path}", "--host", "{host}", "--port", "{ports[0]}"],
        arguments: &[("--logdir", ".")],
        ..PLAIN
    },
];

const JUPYTER: &[&str] = &[
    "{runtime_path}",
    "--no-browser",
    "--allow-root",
    "--ServerApp.token=",
    "--ServerApp.password=",
    "--ip={host}",
    "--port={ports[0]}",
    "--ServerApp.port_retries=0",
];

const JUPYTER_ON_SOCKET: &[&str] = &["{runtime_path}", "--no-browser", "--allow-root", "--sock={socket}"];

/// All services, with the program of each as `{runtime_path}`; it is empty for those of definition files. With
/// `private`, services listen at sockets if they can.
pub(super) fn find(
    definitions: &Path,
    env: &[(OsString, OsString)],
    private: bool,
) -> Vec<(KnownService, PathBuf)> {
    let path =
        env.iter().find(|(name, _)| name == "PATH").map(|(_, value)| value.clone()).unwrap_or_default();
    let built_in = BUILT_IN.iter().filter_map(|built_in| {
        let found = program(built_in.program, &path, built_in.folders)?;
        if let Some(needed) = built_in.needs {
            program(needed, &path, built_in.folders)?;
        }
        let on_socket = built_in.on_socket.filter(|_| private);
        let mut definition = Definition::of_words(on_socket.unwrap_or(built_in.command));
        for &(name, value) in built_in.arguments {
            definition.allowed_arguments.push(name.to_owned());
            definition.default_arguments.insert(name.to_owned(), ArgumentValue::One(value.to_owned()));
        }
        if let Some(variable) = built_in.token.filter(|_| on_socket.is_some()) {
            definition.env.insert(variable.to_owned(), "{token}".to_owned());
            definition.url_template = Some(URL_WITH_TOKEN.to_owned());
        }
        let app = app(built_in.name, built_in.protocol, built_in.listed_port, &definition);
        Some((KnownService { app, definition, on_socket: on_socket.is_some() }, found))
    });
    let mut known = defined(definitions);
    let label = env.iter().find(|(name, _)| name == SERVICE_PORTS).and_then(|(_, value)| value.to_str());
    for labelled in parse_service_ports(label.unwrap_or_default()).unwrap_or_default() {
        if let Some((service, _)) = known.iter_mut().find(|(service, _)| service.app.name == labelled.name) {
            (service.app.protocol, service.app.ports) = (labelled.protocol, labelled.ports);
        }
    }
    // A file describes this image more exactly than the general table.
    for (service, program) in built_in {
        if !known.iter().any(|(other, _)| other.app.name == service.app.name) {
            known.push((service, program));
        }
    }
    known
}

fn app(name: &str, protocol: &str, port: u16, definition: &Definition) -> App {
    App {
        name: name.to_owned(),
        protocol: protocol.to_owned(),
        ports: vec![port],
        url_template: definition.url_template.clone(),
        allowed_arguments: definition.allowed_arguments.clone(),
        allowed_envs: definition.allowed_envs.clone(),
    }
}

/// The services of a folder's files. A file that cannot be read is skipped, with a warning in the log.
pub(super) fn defined(folder: &Path) -> Vec<(KnownService, PathBuf)> {
    let Ok(files) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut files: Vec<_> = files.flatten().map(|file| file.path()).collect();
    files.sort();
    let mut known: Vec<(KnownService, PathBuf)> = Vec::new();
    for path in files.iter().filter(|path| path.extension() == Some(OsStr::new("json"))) {
        let Some(name) = path.file_stem().and_then(OsStr::to_str) else { continue };
        let read = std::fs::read(path).map_err(|error| error.to_string());
        let read = read.and_then(|text| serde_json::from_slice(&text).map_err(|error| error.to_string()));
        let definition: Definition = match read {
            Ok(definition) => definition,
            Err(error) => {
                tracing::warn!(path = %path.display(), error, "a service definition is skipped");
                continue;
            }
        };
        let number = u16::try_from(known.len()).unwrap_or(u16::MAX);
        // Without a label, a service is most likely a web page.
        let app = app(name, "http", FIRST_LISTED_PORT.saturating_add(number), &definition);
        known.push((KnownService { app, definition, on_socket: false }, PathBuf::new()));
    }
    known
}

fn program(name: &str, path: &OsStr, folders: &[&str]) -> Option<PathBuf> {
    let more = folders.iter().map(PathBuf::from);
    std::env::split_paths(path)
        .chain(more)
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join(name))
        .find(|file| file.is_file() && access(file, AccessFlags::X_OK).is_ok())
}
