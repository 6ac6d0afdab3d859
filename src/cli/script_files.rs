//! The files that a script needs (`--with`): they are uploaded before it runs, and lie in the session as they lie here, so that the
//! script can import them and open them.

use super::args::OpenFlags;
use super::code::Code;
use super::commands::transfer::exit_status;
use super::commands::update::{InTheWay, upload_files};
use super::commands::upload::{UploadPlan, plan_relative_to};
use super::context::CommandContext;
use super::creation;
use super::error::CliError;
use super::exit_status::ExitStatus;
use super::progress::TransferProgress;
use super::readiness::{NOT_RUN, Patience, no_answer};
use super::settle::{lost_patience, settle, tell_delays};
use super::stop_signals::StopSignals;
use bai_client::{ComputeSession, Progress};

/// The files of one script.
#[derive(Debug)]
pub(super) struct ScriptFiles {
    plan: UploadPlan,
    /// Whether the session ends with the script.
    temporary: bool,
    patience: Patience,
}

/// Refuses the files where there is no script.
pub(super) fn refuse(open: &OpenFlags) -> Result<(), CliError> {
    if open.with.is_empty() {
        return Ok(());
    }
    Err(CliError::new(ExitStatus::Usage, "--with uploads files for a script, and there is none")
        .hint("name a script, or give code with -c CODE; at the prompt, :upload copies files to the session"))
}

impl ScriptFiles {
    /// Finds the files. It sends no requests.
    pub(super) fn find(open: &OpenFlags, code: &Code) -> Result<Self, CliError> {
        let temporary = creation::is_temporary(&open.creation);
        let patience = Patience::of(open.creation.session.max_wait);
        if open.with.is_empty() {
            return Ok(ScriptFiles { plan: UploadPlan::default(), temporary, patience });
        }
        let hint = "the files of --with lie below the current folder, or, if the script is not there, below its folder";
        let plan = plan_relative_to(&open.with, &code.folder()?, hint)?;
        Ok(ScriptFiles { plan, temporary, patience })
    }

    /// Uploads the files. A signal ends it; its exit status is returned then. So does a session that runs something else for too long.
    pub(super) async fn upload(
        &self,
        session: &ComputeSession,
        context: &CommandContext,
        signals: &mut StopSignals,
    ) -> Result<Option<ExitStatus>, CliError> {
        if self.plan.is_empty() {
            return Ok(None);
        }
        let bar = TransferProgress::start(context, self.plan.bytes());
        self.plan.left_out.iter().for_each(|why| bar.print(why));
        let on_progress = |progress: &Progress<'_>| bar.at(progress.name, progress.all_done);
        let hint = format!("bai-repl upload --force {} FILE replaces it", session.name());
        let in_the_way = InTheWay { replaced: false, hint: Some(&hint) };
        let stopped = tokio::select! {
            biased;
            signal = signals.recv() => Ok(Some(signal.exit())),
            uploaded = upload_files(session, &self.plan, in_the_way, self.temporary, on_progress) => {
                return uploaded.map(|()| None);
            }
            never = tell_delays(session) => match never {},
            waited = lost_patience(session, self.patience) => Err(no_answer(session, NOT_RUN, waited)),
        };
        settle(session).await;
        stopped
    }

    /// The exit status of a script that has succeeded: it fails if files were left out.
    pub(super) fn exit_of(&self, exit: ExitStatus) -> ExitStatus {
        if exit.code() == 0 { exit_status(self.plan.left_out.len()) } else { exit }
    }
}
