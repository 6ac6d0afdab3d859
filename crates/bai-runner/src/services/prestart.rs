//! The actions of a service definition before its command: files, folders, commands (`docs/wire` §7.7).

use super::definition::PrestartAction;
use super::template::Variables;
use crate::dispositions;
use serde_json::{Map, Value, json};
use std::ffi::OsString;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tokio::process::Command;

/// Runs the actions in order, and stores their results under their names.
pub(super) async fn run(
    actions: &[PrestartAction],
    workdir: &Path,
    scratch: &Path,
    env: &[(OsString, OsString)],
    variables: &mut Variables,
) -> Result<(), String> {
    for (number, action) in actions.iter().enumerate() {
        let scratch = scratch.join(format!("prestart-{number}"));
        let result = one(action, workdir, scratch, env)
            .await
            .map_err(|error| format!("its step {} failed: {error}", action.action))?;
        if let Some(name) = &action.name {
            variables.insert(name.clone(), result);
        }
    }
    Ok(())
}

async fn one(
    action: &PrestartAction,
    workdir: &Path,
    scratch: PathBuf,
    env: &[(OsString, OsString)],
) -> io::Result<Value> {
    let args = &action.args;
    let bad = |what: &str| io::Error::new(io::ErrorKind::InvalidInput, format!("{what} is missing"));
    let text = |key: &str| args.get(key).and_then(Value::as_str);
    match action.action.as_str() {
        "write_file" => {
            let path = workdir.join(text("filename").ok_or_else(|| bad("filename"))?);
            let append = args.get("append").and_then(Value::as_bool).unwrap_or(false);
            write(&path, &lines(args), mode(args, 0o644), append)?;
            Ok(json!(path))
        }
        "write_tempfile" => {
            write(&scratch, &lines(args), mode(args, 0o644), false)?;
            Ok(json!(scratch))
        }
        "mkdir" => {
            let path = workdir.join(text("path").ok_or_else(|| bad("path"))?);
            std::fs::create_dir_all(&path)?;
            Ok(json!(path))
        }
        "run_command" => command(&words(args), workdir, env).await,
        "log" => {
            tracing::info!(message = text("message"), "a message of a service");
            Ok(Value::Null)
        }
        other => Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{other} is not a known step"))),
    }
}

fn words(args: &Map<String, Value>) -> Vec<String> {
    let list = args.get("command").and_then(Value::as_array);
    list.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

fn lines(args: &Map<String, Value>) -> String {
    let body = args.get("body").and_then(Value::as_array);
    body.into_iter().flatten().filter_map(Value::as_str).map(|line| format!("{line}\n")).collect()
}

fn mode(args: &Map<String, Value>, default: u32) -> u32 {
    let text = args.get("mode").and_then(Value::as_str);
    text.and_then(|text| u32::from_str_radix(text, 8).ok()).unwrap_or(default) & 0o777
}

fn write(path: &Path, text: &str, mode: u32, append: bool) -> io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.create(true).write(true).append(append).truncate(!append).mode(mode);
    io::Write::write_all(&mut options.open(path)?, text.as_bytes())
}

async fn command(words: &[String], workdir: &Path, env: &[(OsString, OsString)]) -> io::Result<Value> {
    let (program, args) = words.split_first().ok_or(io::ErrorKind::InvalidInput)?;
    let mut command = Command::new(program);
    command.args(args).current_dir(workdir).env_clear().envs(env.iter().map(|(name, value)| (name, value)));
    dispositions::by_default(command.as_std_mut());
    let output = command.stdin(Stdio::null()).kill_on_drop(true).output().await?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok(json!({"out": text(&output.stdout), "err": text(&output.stderr)}))
}
