//! The flags that say how a session is made, for whatever makes one.

use super::local_path;
use clap::Args;
use std::path::PathBuf;

/// How a session is made, and how long it stays.
#[derive(Debug, Args)]
pub(in crate::cli) struct CreationFlags {
    /// Name of the session: it is reused when it lives, and lives on when this program leaves
    #[arg(short = 't', long = "name", value_name = "NAME")]
    pub(in crate::cli) name: Option<String>,

    /// Environment of the session's programs (repeatable)
    #[arg(short = 'e', long = "env", value_name = "KEY=VALUE", value_parser = super::key_value)]
    pub(in crate::cli) env: Vec<(String, String)>,

    /// Virtual folder of the cluster (repeatable)
    #[arg(short = 'm', long = "mount", visible_alias = "volume", value_name = "FOLDER")]
    pub(in crate::cli) mounts: Vec<String>,

    /// Amount of a resource, such as cpu=2 or mem=4g (repeatable)
    #[arg(short = 'r', long = "resources", value_name = "SLOT=AMOUNT", value_parser = super::key_value)]
    pub(in crate::cli) resources: Vec<(String, String)>,

    /// Option of the resources, such as shmem=64m (repeatable)
    #[arg(long = "resource-opts", value_name = "KEY=VALUE", value_parser = super::key_value)]
    pub(in crate::cli) resource_opts: Vec<(String, String)>,

    /// Resource group of the cluster
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) scaling_group: Option<String>,

    /// Project that the session belongs to
    #[arg(short = 'g', long, value_name = "NAME")]
    pub(in crate::cli) group: Option<String>,

    /// Domain
    #[arg(short = 'd', long, value_name = "NAME")]
    pub(in crate::cli) domain: Option<String>,

    /// Number of containers
    #[arg(long, value_name = "N")]
    pub(in crate::cli) cluster_size: Option<u32>,

    /// single-node or multi-node
    #[arg(long, value_name = "MODE")]
    pub(in crate::cli) cluster_mode: Option<String>,

    /// Free text kept with the session
    #[arg(long, value_name = "TEXT")]
    pub(in crate::cli) tag: Option<String>,

    /// File with a shell script that runs in the session first
    #[arg(long, value_name = "FILE", value_parser = local_path())]
    pub(in crate::cli) bootstrap_script: Option<PathBuf>,

    /// How long to wait for the session, in seconds; 0 waits for ever [default: for ever to run, 60 to take a script]
    #[arg(long, value_name = "SECONDS")]
    pub(in crate::cli) max_wait: Option<u32>,

    /// Fail when a session of that name lives
    #[arg(long)]
    pub(in crate::cli) no_reuse: bool,

    /// Destroy the session when this program leaves, also a named one
    #[arg(long, conflicts_with = "keep")]
    pub(in crate::cli) rm: bool,

    /// Keep the session when this program leaves, also one that it named itself
    #[arg(long)]
    pub(in crate::cli) keep: bool,
}
