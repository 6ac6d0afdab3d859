//! The handle of a kernel: how whoever is attached talks to it. The work is done by one task, in `worker.rs`.

use super::error::{KernelGone, StartError};
use super::image::ImageName;
use super::jupyter;
use super::language::{self, FoundImage, KernelInfo, Language, Resolved};
use super::op::Op;
use super::reply::Reply;
use super::search_paths::SearchPaths;
use super::worker::{Command, Worker};
use bai_protocol::complete::{Completion, CompletionRequest};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// Requests that wait for the worker, which never waits for anybody.
const COMMANDS: usize = 64;
/// Replies that wait for the reader; output beyond that waits in the program.
const REPLIES: usize = 16;
/// A completion that takes longer comes too late to be of use.
const COMPLETE_WITHIN: Duration = Duration::from_secs(3);

/// What a kernel is made from.
#[derive(Debug, Clone)]
pub struct KernelSpec {
    /// The folder that the code runs in.
    pub workdir: PathBuf,
    /// Variables on top of our own environment, which is passed on without its secrets. The search for the
    /// interpreter heeds them too (`PATH`, `VIRTUAL_ENV`).
    pub env: Vec<(String, String)>,
    /// What to run.
    pub image: ImageName,
    /// The interpreter or compiler to run it with, when it is known and need not be searched for.
    pub executable: Option<PathBuf>,
}

/// A running kernel. Clones are handles to the same one; when the last is dropped its processes are killed.
#[derive(Debug, Clone)]
pub struct Kernel {
    commands: mpsc::Sender<Command>,
    info: Arc<KernelInfo>,
}

impl Kernel {
    /// Starts a kernel; returns when its interpreter takes cells. The receiver gives its replies; when nobody
    /// reads them, the user's program waits in its next write.
    ///
    /// # Errors
    /// When the image means nothing here, its interpreter is missing, or does not start.
    pub async fn start(spec: KernelSpec) -> Result<(Kernel, mpsc::Receiver<Reply>), StartError> {
        let what = match &spec.executable {
            Some(executable) => given(&spec.image, executable)?,
            None => {
                let (image, env) = (spec.image.clone(), spec.env.clone());
                let find = move || resolve_image(&image, &SearchPaths::of_this_process().with(&env));
                tokio::task::spawn_blocking(find).await.map_err(|_| StartError::Stopped)??
            }
        };
        let info = Arc::new(what.info.clone());
        let (commands, receiver) = mpsc::channel(COMMANDS);
        let (replies, reply_receiver) = mpsc::channel(REPLIES);
        Worker::start(what, spec, receiver, replies).await?;
        Ok((Kernel { commands, info }, reply_receiver))
    }

    /// Hands over an operation. `Code`, `Clean`, `Build` and `Exec` are queued, first in, first out, and each ends
    /// in exactly one finished reply, also when the kernel is restarted or dies; the rest is served at once.
    ///
    /// # Errors
    /// When the kernel has been shut down.
    pub async fn send(&self, op: Op) -> Result<(), KernelGone> {
        self.commands.send(Command::Op(op)).await.map_err(|_| KernelGone)
    }

    /// What could stand at the cursor. Empty when the interpreter does not know, does not answer within three
    /// seconds, or is gone.
    pub async fn complete(&self, request: CompletionRequest) -> Completion {
        let (sender, answer) = oneshot::channel();
        let ask = async {
            self.commands.send(Command::Complete(request, sender)).await.ok()?;
            answer.await.ok()
        };
        tokio::time::timeout(COMPLETE_WITHIN, ask).await.ok().flatten().unwrap_or_default()
    }

    /// What this kernel runs.
    pub fn describe(&self) -> KernelInfo {
        KernelInfo::clone(&self.info)
    }

    /// Kills the kernel's processes and waits until they are gone. The receiver of replies ends.
    pub async fn shutdown(&self) {
        let (sender, done) = oneshot::channel();
        if self.commands.send(Command::Shutdown(sender)).await.is_ok() {
            let _ = done.await;
        }
    }

    /// Throws the interpreter away and starts a new one. The running task and those that wait end with exit code
    /// 137, each with its finished reply. Returns when the new interpreter takes cells.
    ///
    /// # Errors
    /// When the new interpreter does not start; the next `Code` tries again.
    pub async fn restart(&self) -> Result<(), StartError> {
        let (sender, done) = oneshot::channel();
        self.commands.send(Command::Restart(sender)).await.map_err(|_| StartError::Stopped)?;
        done.await.map_err(|_| StartError::Stopped)?
    }
}

/// The interpreter that a kernel of this image would use, or why there is none. Looks at files and may run
/// interpreters to ask for their version, so call it where blocking for some milliseconds is allowed.
///
/// # Errors
/// When the image means nothing here, or its interpreter is missing.
pub fn resolve(image: &str) -> Result<Resolved, StartError> {
    resolve_image(&ImageName::parse(image), &SearchPaths::of_this_process())
}

fn resolve_image(image: &ImageName, search_paths: &SearchPaths) -> Result<Resolved, StartError> {
    let found = language_of(image, search_paths).and_then(|language| language.find(image, search_paths));
    found.map_err(|missing| or_jupyter(missing, image, search_paths))
}

/// Points to a Jupyter kernel of the language whose interpreter is missing, if there is one.
fn or_jupyter(missing: StartError, image: &ImageName, search_paths: &SearchPaths) -> StartError {
    let kernel = image.language().and_then(|language| jupyter::of_language(language, search_paths));
    let Some(kernel) = kernel else { return missing };
    let named = jupyter::image_of(&kernel);
    let hint = match &missing {
        StartError::NoInterpreter { install, .. } => {
            format!("use the Jupyter kernel {:?} as {named}, or {install}", kernel.title())
        }
        _ => format!("use the Jupyter kernel {:?} as {named}", kernel.title()),
    };
    StartError::JupyterInstead { missing: Box::new(missing), hint }
}

fn language_of(image: &ImageName, search_paths: &SearchPaths) -> Result<&'static dyn Language, StartError> {
    let unknown = || match image.language() {
        // Nothing of ours runs it, but its Jupyter kernel does.
        Some("julia") => StartError::NoInterpreter {
            image: image.to_string(),
            language: "the Jupyter kernel of Julia",
            looked: "the folders of Jupyter".to_owned(),
            install: "install Julia, and IJulia in it with `using Pkg; Pkg.add(\"IJulia\")`: `bai-repl images` lists it then as jupyter:julia-…",
        },
        _ => StartError::UnknownImage { image: image.to_string(), known: what_is_known(search_paths) },
    };
    language::all().find(|language| language.answers_to(image)).ok_or_else(unknown)
}

/// An interpreter that somebody else has chosen. It is not asked for its version, which nobody needs to run it.
fn given(image: &ImageName, executable: &Path) -> Result<Resolved, StartError> {
    let language = language_of(image, &SearchPaths::of_this_process())?;
    let (executable, version, note) = (executable.to_owned(), String::new(), None);
    Ok(Resolved { language, info: KernelInfo { language: language.name(), version, executable, note } })
}

fn what_is_known(search_paths: &SearchPaths) -> String {
    let names: Vec<String> = find_all(search_paths).into_iter().map(|found| found.name).collect();
    if names.is_empty() {
        let languages: Vec<&str> = language::all().map(|language| language.name()).collect();
        return format!("it could run {}, but no interpreter was found", languages.join(", "));
    }
    format!("here are {}", names.join(", "))
}

fn find_all(search_paths: &SearchPaths) -> Vec<FoundImage> {
    // Each is asked by running it, and some take their time.
    std::thread::scope(|scope| {
        let ask = |language: &'static dyn Language| scope.spawn(move || language.find_all(search_paths));
        let asked: Vec<_> = language::all().map(ask).collect();
        asked.into_iter().flat_map(|thread| thread.join().unwrap_or_default()).collect()
    })
}

/// Every image name that this machine can run, newest version first in each language.
pub async fn images() -> Vec<FoundImage> {
    tokio::task::spawn_blocking(|| find_all(&SearchPaths::of_this_process())).await.unwrap_or_default()
}
