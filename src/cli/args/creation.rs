//! The flags for creating a session, which all commands share that create one: what the session is, and for those that end with it, how
//! long it stays.

use super::local_path;
use crate::cli::session_environment::EnvFlag;
use crate::config::PYTHON_SHELLS;
use bai_protocol::create::PYTHON_SHELL;
use clap::Args;
use std::path::PathBuf;

/// How a session is created, and when it is destroyed.
#[derive(Debug, Args, Clone)]
pub(in crate::cli) struct CreationFlags {
    /// What the session is.
    #[command(flatten)]
    pub(in crate::cli) session: SessionFlags,

    /// Destroy the session when this program ends, even if it was named
    #[arg(long, conflicts_with = "keep")]
    pub(in crate::cli) rm: bool,

    /// Keep the session when this program ends, even if it was not named
    #[arg(long)]
    pub(in crate::cli) keep: bool,
}

/// What a new session is.
#[derive(Debug, Args, Clone)]
pub(in crate::cli) struct SessionFlags {
    /// Name of the session; an existing session of that name is reused, and the session is kept when this program ends
    #[arg(short = 't', long = "name", value_name = "NAME")]
    pub(in crate::cli) name: Option<String>,

    /// Environment variable in the session; without a value, it has the value that it has here (repeatable)
    #[arg(short = 'e', long = "env", value_name = "KEY[=VALUE]", value_parser = EnvFlag::parse)]
    pub(in crate::cli) env: Vec<EnvFlag>,

    /// File with environment variables in lines of KEY=VALUE or KEY; -e takes precedence (repeatable)
    #[arg(long = "env-file", value_name = "FILE", value_parser = local_path())]
    pub(in crate::cli) env_files: Vec<PathBuf>,

    /// What runs the cells of Python: auto (IPython if the interpreter has it), ipython or plain
    #[arg(long, value_name = "SHELL", value_parser = PYTHON_SHELLS, env = PYTHON_SHELL, hide_env_values = true)]
    pub(in crate::cli) python_shell: Option<String>,

    /// Virtual folder of the cluster to mount (repeatable)
    #[arg(short = 'm', long = "mount", visible_alias = "volume", value_name = "FOLDER")]
    pub(in crate::cli) mounts: Vec<String>,

    /// Amount of a resource, such as cpu=2 or mem=4g (repeatable)
    #[arg(short = 'r', long = "resources", value_name = "SLOT=AMOUNT", value_parser = super::key_value)]
    pub(in crate::cli) resources: Vec<(String, String)>,

    /// Resource option, such as shmem=64m (repeatable)
    #[arg(long = "resource-opts", value_name = "KEY=VALUE", value_parser = super::key_value)]
    pub(in crate::cli) resource_opts: Vec<(String, String)>,

    /// Resource group of the cluster
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) scaling_group: Option<String>,

    /// Project of the session
    #[arg(short = 'g', long, value_name = "NAME")]
    pub(in crate::cli) group: Option<String>,

    /// Domain of the session
    #[arg(short = 'd', long, value_name = "NAME")]
    pub(in crate::cli) domain: Option<String>,

    /// Number of containers
    #[arg(long, value_name = "N")]
    pub(in crate::cli) cluster_size: Option<u32>,

    /// single-node or multi-node
    #[arg(long, value_name = "MODE")]
    pub(in crate::cli) cluster_mode: Option<String>,

    /// Free text stored with the session
    #[arg(long, value_name = "TEXT")]
    pub(in crate::cli) tag: Option<String>,

    /// Port at which a program in the session will listen, for `app SESSION PORT` on a cluster (repeatable)
    #[arg(long, value_name = "PORT", value_delimiter = ',')]
    pub(in crate::cli) preopen: Vec<u16>,

    /// File with a shell script that runs when the session starts
    #[arg(long, value_name = "FILE", value_parser = local_path())]
    pub(in crate::cli) bootstrap_script: Option<PathBuf>,

    /// Seconds to wait for the session, 0 for no limit [default: no limit until it runs, 60 until it runs a script's code]
    #[arg(long, value_name = "SECONDS")]
    pub(in crate::cli) max_wait: Option<u32>,

    /// Fail if a session of that name exists
    #[arg(long)]
    pub(in crate::cli) no_reuse: bool,

    /// Session that must succeed before this one starts (repeatable)
    #[arg(long, value_name = "SESSION", value_delimiter = ',')]
    pub(in crate::cli) depends: Vec<String>,

    /// Place in the queue of the cluster, 0 to 100; higher ones start first
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(0..=100))]
    pub(in crate::cli) priority: Option<u8>,

    /// Architecture of the machine, such as aarch64
    #[arg(long, visible_alias = "arch", value_name = "NAME")]
    pub(in crate::cli) architecture: Option<String>,

    /// Machine of the cluster, by the id of its agent, one for each container (administrators; repeatable)
    #[arg(long, value_name = "AGENT", value_delimiter = ',')]
    pub(in crate::cli) assign_agent: Vec<String>,

    /// Id of a network of the project, which the containers join
    #[arg(long, value_name = "ID")]
    pub(in crate::cli) network: Option<String>,

    /// URL to which the cluster posts when the status of the session changes
    #[arg(long, value_name = "URL")]
    pub(in crate::cli) callback_url: Option<String>,
}
