//! The flags of `bai-repl vfolder`.

use super::local_path;
use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Subcommand};
use std::path::PathBuf;

/// The rights that users can have in a folder.
const RIGHTS: [&str; 3] = ["ro", "rw", "wd"];

/// What `bai-repl vfolder` does.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum VFolderCommand {
    /// List the virtual folders
    List {
        /// Also list folders in the trash
        #[arg(short, long)]
        all: bool,
    },
    /// Make a folder
    Create(VFolderCreate),
    /// Show facts about a folder, and who uses it
    Info(Folder),
    /// List the files in a folder
    Ls {
        /// The folder.
        #[command(flatten)]
        folder: Folder,

        /// Path in the folder
        #[arg(default_value = "")]
        path: String,
    },
    /// Copy files and folders to a folder
    Upload {
        /// The folder.
        #[command(flatten)]
        folder: Folder,

        /// Files and folders of this machine; - is standard input
        #[arg(required = true, value_name = "FILE", value_parser = local_path())]
        files: Vec<PathBuf>,

        /// Path in the folder to copy them to; for standard input, the path of the file
        #[arg(long, value_name = "PATH", default_value = "")]
        to: String,

        /// Replace files that exist
        #[arg(short, long)]
        force: bool,
    },
    /// Copy files and folders from a folder
    Download {
        /// The folder.
        #[command(flatten)]
        folder: Folder,

        /// Paths in the folder; . is all of it
        #[arg(required = true, value_name = "PATH")]
        paths: Vec<String>,

        /// Folder on this machine to copy them to; - is standard output, for one file
        #[arg(long, value_name = "FOLDER", default_value = ".", value_parser = local_path())]
        to: PathBuf,

        /// Replace files that exist
        #[arg(short, long)]
        force: bool,
    },
    /// Make folders in a folder, with those that they are in
    Mkdir {
        /// The folder.
        #[command(flatten)]
        folder: Folder,

        /// Paths in the folder
        #[arg(required = true, value_name = "PATH")]
        paths: Vec<String>,

        /// It is no error if they exist
        #[arg(short, long)]
        parents: bool,
    },
    /// Move or rename a file in a folder
    Mv {
        /// The folder.
        #[command(flatten)]
        folder: Folder,

        /// Path of the file
        from: String,

        /// New path, or the path of a folder that it goes into
        to: String,

        /// Replace a file that exists
        #[arg(short, long)]
        force: bool,
    },
    /// Remove files from a folder, for good
    Rm {
        /// The folder.
        #[command(flatten)]
        folder: Folder,

        /// Paths in the folder
        #[arg(required = true, value_name = "PATH")]
        paths: Vec<String>,

        /// Also remove folders, with all that is in them
        #[arg(short, long)]
        recursive: bool,
    },
    /// Rename a folder
    Rename {
        /// The folder.
        #[command(flatten)]
        folder: Folder,

        /// New name
        name: String,
    },
    /// Change the rights of a folder, or whether it may be cloned
    Set {
        /// The folder.
        #[command(flatten)]
        folder: Folder,

        /// Rights in the folder: read, also write, also delete
        #[arg(long, value_name = "RIGHTS", value_parser = RIGHTS, required_unless_present = "cloneable")]
        permission: Option<String>,

        /// Whether others may clone it
        #[arg(long, value_name = "YES|NO", value_parser = yes_or_no)]
        cloneable: Option<bool>,
    },
    /// Move folders to the trash
    Delete(Folders),
    /// Take folders out of the trash
    Restore(Folders),
    /// Remove folders in the trash, with all their files, for good
    Purge(Folders),
    /// Copy a whole folder
    Clone {
        /// The folder.
        #[command(flatten)]
        folder: Folder,

        /// Name of the copy
        name: String,

        /// Storage host of the copy [default: that of the folder]
        #[arg(long, value_name = "HOST")]
        host: Option<String>,

        /// Rights in the copy
        #[arg(long, value_name = "RIGHTS", value_parser = RIGHTS)]
        permission: Option<String>,
    },
    /// Invite users to use a folder of yours
    Invite(People),
    /// Let users use the folder of a project with these rights, without asking them (administrators)
    Share(People),
    /// Undo 'share'
    Unshare {
        /// The folder.
        #[command(flatten)]
        folder: Folder,

        /// E-mail addresses of users
        #[arg(required = true, value_name = "EMAIL")]
        emails: Vec<String>,
    },
    /// List the invitations that wait for your answer
    Invitations {
        /// List those that you have sent
        #[arg(long)]
        sent: bool,
    },
    /// Accept an invitation
    Accept {
        /// Id of the invitation, or a unique beginning of it
        invitation: String,
    },
    /// Decline an invitation, or withdraw one that you have sent
    Decline {
        /// Id of the invitation, or a unique beginning of it
        invitation: String,
    },
    /// Give up a folder of another user
    Leave(Folder),
    /// List the storage hosts on which you may make folders
    Hosts,
}

/// The folder that a command is about.
#[derive(Debug, Args)]
pub(in crate::cli) struct Folder {
    /// Name or id of the folder
    #[arg(value_name = "FOLDER", value_parser = NonEmptyStringValueParser::new())]
    pub(in crate::cli) vfolder: String,
}

/// The folders that a command is about.
#[derive(Debug, Args)]
pub(in crate::cli) struct Folders {
    /// Names or ids of folders
    #[arg(required = true, value_name = "FOLDER", value_parser = NonEmptyStringValueParser::new())]
    pub(in crate::cli) vfolders: Vec<String>,
}

/// Users and their rights in a folder.
#[derive(Debug, Args)]
pub(in crate::cli) struct People {
    /// The folder.
    #[command(flatten)]
    pub(in crate::cli) folder: Folder,

    /// E-mail addresses of users
    #[arg(required = true, value_name = "EMAIL")]
    pub(in crate::cli) emails: Vec<String>,

    /// Their rights: read, also write, also delete
    #[arg(short, long, value_name = "RIGHTS", value_parser = RIGHTS, default_value = "rw")]
    pub(in crate::cli) permission: String,
}

/// The flags of `bai-repl vfolder create`.
#[derive(Debug, Args)]
pub(in crate::cli) struct VFolderCreate {
    /// Name of the folder
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    pub(in crate::cli) name: String,

    /// Storage host [default: that of the server]
    #[arg(long, value_name = "HOST")]
    pub(in crate::cli) host: Option<String>,

    /// Project that it belongs to [default: it belongs to you]
    #[arg(short, long, value_name = "NAME")]
    pub(in crate::cli) group: Option<String>,

    /// What it is for: general, model or data
    #[arg(long, value_name = "MODE", value_parser = ["general", "model", "data"])]
    pub(in crate::cli) usage_mode: Option<String>,

    /// Rights in the folder: read, also write, also delete
    #[arg(long, value_name = "RIGHTS", value_parser = RIGHTS)]
    pub(in crate::cli) permission: Option<String>,

    /// Others may clone it
    #[arg(long)]
    pub(in crate::cli) cloneable: bool,
}

fn yes_or_no(text: &str) -> Result<bool, String> {
    match text {
        "yes" | "true" => Ok(true),
        "no" | "false" => Ok(false),
        _ => Err("expected yes or no".to_owned()),
    }
}
