//! `bai-repl run`: uploads files to a session, runs its three batch steps, and returns their output and the exit code of the
//! program. A run in one session is here; runs in several sessions, for ranges of values, are in `sweep`.

mod sweep;
mod sweep_progress;

use super::transfer;
use super::update::{InTheWay, upload_files};
use super::upload::{UploadPlan, plan_relative_to};
use crate::cli::args::Run as Flags;
use crate::cli::batch_steps::BatchSteps;
use crate::cli::code::Code;
use crate::cli::context::CommandContext;
use crate::cli::error::CliError;
use crate::cli::exit_status::ExitStatus;
use crate::cli::input::InputSource;
use crate::cli::output::Output;
use crate::cli::progress::{OpeningProgress, TransferProgress};
use crate::cli::readiness::Patience;
use crate::cli::script_start::{self, CodeSession, Start};
use crate::cli::server::{Server, destroy_session};
use crate::cli::stop_signals::StopSignals;
use crate::cli::sweep_range::{self, Case, Template};
use crate::cli::{creation, display, script, session_environment};
use bai_client::{Api, Cell, ComputeSession, Created, Progress, RunOptions};
use bai_protocol::create::CreateRequest;
use bai_protocol::execute::BatchOptions;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};

const BASE_HINT: &str = "--basedir names the folder that all files are in";

/// What all cases share.
#[derive(Debug)]
struct RunPlan {
    request: CreateRequest,
    files: UploadPlan,
    clean: String,
    code: Option<Code>,
    patience: Patience,
    /// Whether files of the session are replaced whatever they are.
    force: bool,
}

impl RunPlan {
    /// What a case runs in this session.
    async fn start(
        &self,
        session: &ComputeSession,
        case: &Case,
        context: &CommandContext,
        options: &RunOptions,
        signals: &mut StopSignals,
    ) -> Result<Start, CliError> {
        let Some(code) = &self.code else {
            return Ok(Start::Ready(Cell::Batch(BatchOptions {
                clean: self.clean.clone(),
                build: case.filled.build.clone(),
                exec: case.filled.exec.clone(),
                ..BatchOptions::default()
            })));
        };
        let (image, patience) = (&*self.request.image, self.patience);
        let at = CodeSession { session, image, is_new: true, patience, options };
        script_start::start(at, code.clone(), context, signals).await
    }

    /// The request for the session of a case; with several cases `number` makes the name unique.
    fn request(&self, case: &Case, number: Option<usize>) -> CreateRequest {
        let mut request = self.request.clone();
        request.environ.extend(case.filled.env.iter().cloned());
        if let Some(number) = number {
            request.name = format!("{}-{number}", request.name);
        }
        request
    }
}

/// Runs the files, or the code.
pub(in crate::cli) async fn run(context: &CommandContext, flags: &Flags) -> Result<ExitStatus, CliError> {
    let (plan, cases) = plan(flags, context).await?;
    let temporary = creation::is_temporary(&flags.creation);
    // Mistakes in the settings for output are reported before a session is created.
    let display = display::for_script(flags.media_dir.as_deref(), context)?;
    let server = Server::open_for_uploads(context, creation::outlives(&flags.creation)).await?;
    server.api.version().await?;
    let mut signals = StopSignals::listen()?;
    let left_out = transfer::exit_status(plan.files.left_out.len());
    let exit = match cases.as_slice() {
        [case] => {
            let run = SingleRun { server: &server, plan: &plan, context, temporary };
            run.run(case, Output::start(context.global.json, display), &mut signals).await
        }
        _ => {
            plan.files.left_out.iter().for_each(|why| eprintln!("bai-repl: {why}"));
            let max_parallel = usize::try_from(flags.max_parallel).unwrap_or(1);
            sweep::run(
                &server,
                plan,
                cases,
                sweep::SweepOptions { max_parallel, temporary, context },
                display,
                &mut signals,
            )
            .await
        }
    };
    server.close().await;
    exit.map(|exit| if exit.code() == 0 { left_out } else { exit })
}

/// Reads the flags and finds the files. It sends no requests.
async fn plan(flags: &Flags, context: &CommandContext) -> Result<(RunPlan, Vec<Case>), CliError> {
    let commands = [&flags.clean, &flags.build, &flags.exec];
    if flags.files.is_empty() && flags.code.is_none() && commands.iter().all(|command| command.is_none()) {
        return Err(CliError::new(ExitStatus::Usage, "there is nothing to run")
            .hint("give files, a command with --exec, or code with -c"));
    }
    let default = if flags.files.is_empty() { "" } else { "*" };
    let command = |given: &Option<String>| given.clone().unwrap_or_else(|| default.to_owned());
    let template = Template {
        env: session_environment::given(&flags.creation.session),
        build: command(&flags.build),
        exec: command(&flags.exec),
    };
    let cases = sweep_range::cases(&template, &flags.env_range, &flags.build_range, &flags.exec_range)
        .map_err(|why| CliError::new(ExitStatus::Usage, why))?;
    let request = creation::request(&flags.image, &flags.creation, context)?;
    let (files, base) = (flags.files.clone(), flags.basedir.clone().unwrap_or_else(|| PathBuf::from(".")));
    let found = tokio::task::spawn_blocking(move || find(&files, &base)).await;
    let files = found.map_err(|error| CliError::new(ExitStatus::Failed, error))??;
    let code = flags.code.as_ref().map(|code| {
        let mut code = Code::of_option(code, &[], std::io::stdin().is_terminal());
        if creation::is_temporary(&flags.creation) {
            code.ends_its_session();
        }
        code
    });
    Ok((
        RunPlan {
            request,
            files,
            clean: command(&flags.clean),
            code,
            patience: Patience::of(flags.creation.session.max_wait),
            force: flags.force,
        },
        cases,
    ))
}

fn find(files: &[PathBuf], base: &Path) -> Result<UploadPlan, CliError> {
    if files.is_empty() { Ok(UploadPlan::default()) } else { plan_relative_to(files, base, BASE_HINT) }
}

/// A run in one session, whose output goes to our standard output.
struct SingleRun<'a> {
    server: &'a Server,
    plan: &'a RunPlan,
    context: &'a CommandContext,
    temporary: bool,
}

impl SingleRun<'_> {
    async fn run(
        &self,
        case: &Case,
        output: Output,
        signals: &mut StopSignals,
    ) -> Result<ExitStatus, CliError> {
        let request = self.plan.request(case, None);
        let name = request.name.clone();
        let prepared = tokio::select! {
            biased;
            signal = signals.recv() => Ok(Err(signal.exit())),
            session = self.prepare(request) => session.map(Ok),
        };
        // If the server refuses us, it has created no session, and would also refuse to destroy one.
        let refused = prepared.as_ref().is_err_and(|error| error.exit() == ExitStatus::Refused);
        let exit = match prepared {
            Ok(Ok(session)) => self.follow(&session, case, output, signals).await,
            Ok(Err(exit)) => Ok(exit),
            Err(error) => Err(error),
        };
        if self.temporary && !refused {
            destroy_session(&self.server.api, &name).await;
        } else if !self.context.global.json && exit.is_ok() {
            creation::print_kept(self.context, &name);
        }
        exit
    }

    async fn follow(
        &self,
        session: &ComputeSession,
        case: &Case,
        output: Output,
        signals: &mut StopSignals,
    ) -> Result<ExitStatus, CliError> {
        let options = self.context.shown_script_options(!self.temporary);
        let cell = match self.plan.start(session, case, self.context, &options, signals).await? {
            Start::Ready(cell) => cell,
            Start::Ended(exit) => return Ok(exit),
        };
        let steps = BatchSteps::of(&cell, self.context.global.quiet, &|_| ());
        script::run(session, cell, options, output, &InputSource::from_stdin(), signals, steps).await
    }

    /// Creates the session and uploads the files.
    async fn prepare(&self, request: CreateRequest) -> Result<ComputeSession, CliError> {
        let (session, created) = create(&self.server.api, request, self.context).await?;
        let creation_note = creation::creation_note(&session, &created);
        creation::print_notes(self.context, &session, creation_note).await;
        let files = &self.plan.files;
        let bar = TransferProgress::start(self.context, files.bytes());
        files.left_out.iter().for_each(|why| bar.print(why));
        let on_progress = |progress: &Progress<'_>| bar.at(progress.name, progress.all_done);
        upload(&session, self.plan, self.temporary, on_progress).await?;
        Ok(session)
    }
}

async fn create(
    api: &Api,
    request: CreateRequest,
    context: &CommandContext,
) -> Result<(ComputeSession, Created), CliError> {
    let opening = OpeningProgress::start(context, api, &request.name);
    Ok(ComputeSession::create(api, request, |status| opening.report(status)).await?)
}

/// Uploads the files of a run.
async fn upload(
    session: &ComputeSession,
    plan: &RunPlan,
    temporary: bool,
    on_progress: impl FnMut(&Progress<'_>) + Send,
) -> Result<(), CliError> {
    let in_the_way = InTheWay { replaced: plan.force, hint: None };
    upload_files(session, &plan.files, in_the_way, temporary, on_progress).await
}

/// Creates the session of a case and uploads the files; `report` is called with its status.
async fn prepare(
    api: &Api,
    request: CreateRequest,
    plan: &RunPlan,
    temporary: bool,
    report: impl Fn(&str) + Send + Sync,
) -> Result<ComputeSession, CliError> {
    let (session, _) = ComputeSession::create(api, request, |status| report(status.name())).await?;
    report("uploading");
    upload(&session, plan, temporary, |_| {}).await?;
    Ok(session)
}
