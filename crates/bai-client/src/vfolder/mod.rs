//! Virtual folders of a cluster (`docs/wire` §2.10): folders on its storage that outlive sessions, and that sessions mount.
//!
//! A folder is found by its name or its id ([`Api::vfolder`]); from 24.03 on each request names it by the id, since two users may
//! share folders of one name with a third. The manager keeps the list and the rights. The content of files goes directly to the
//! storage proxy ([`storage`]), with a ticket that the manager gives for one file.

mod download;
mod entries;
mod listing;
mod manage;
mod plan;
mod sharing;
mod storage;
mod upload;

pub use entries::Failed;
pub use listing::FolderListing;

use super::api::Api;
use super::error::{ClientError, ErrorKind};
use super::graphql::since;
use super::request::Request;
use super::resources::Project;
use super::session_ref::segment;
use bai_protocol::resources::VirtualFolder;
use futures_util::{StreamExt, stream};
use reqwest::Method;

/// How many projects are asked for their folders at once.
const AT_ONCE: usize = 4;

/// A virtual folder. Cheap to clone.
#[derive(Debug, Clone)]
pub struct VFolder {
    api: Api,
    about: VirtualFolder,
    /// What names it in the paths of the API, percent-encoded.
    key: String,
}

impl Api {
    /// The virtual folder with this name or id. One in the trash is found only if no other has the name.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`]; [`ErrorKind::Ambiguous`] when folders of several users have the name;
    /// [`ErrorKind::Unsupported`] from a server that has none; else what the server says.
    pub async fn vfolder(&self, reference: &str) -> Result<VFolder, ClientError> {
        self.find_vfolder(reference, |folder| !folder.is_in_trash()).await
    }

    /// The virtual folder with this name or id in the trash.
    ///
    /// # Errors
    /// As [`Api::vfolder`].
    pub async fn vfolder_in_trash(&self, reference: &str) -> Result<VFolder, ClientError> {
        self.find_vfolder(reference, VirtualFolder::is_in_trash).await
    }

    async fn find_vfolder(
        &self,
        reference: &str,
        preferred: impl Fn(&VirtualFolder) -> bool,
    ) -> Result<VFolder, ClientError> {
        let what = format!("find the folder {reference}");
        let folders = self.virtual_folders().await.map_err(|error| error.with_what(&what))?;
        let mut found = choose(folders, reference, &preferred);
        if matches!(found, Err(ErrorKind::NotFound)) {
            found = choose(self.project_vfolders().await?, reference, &preferred);
        }
        let about = found.map_err(|kind| {
            let why = match kind {
                ErrorKind::Ambiguous => format!("several folders are called {reference}"),
                _ => format!("there is no virtual folder {reference}"),
            };
            let error = ClientError::new(kind, &what, why).into_sentence();
            if kind == ErrorKind::Ambiguous { error.with_hint("give the id of the folder") } else { error }
        })?;
        self.vfolder_of(about).await
    }

    /// All virtual folders that this user can see: those of [`Api::virtual_folders`], and those of all projects of this user, which
    /// some servers list only for one project at a time.
    ///
    /// # Errors
    /// As [`Api::virtual_folders`].
    pub async fn all_virtual_folders(&self) -> Result<Vec<VirtualFolder>, ClientError> {
        let mut folders = self.virtual_folders().await?;
        for folder in self.project_vfolders().await? {
            if folders.iter().all(|known| known.id != folder.id) {
                folders.push(folder);
            }
        }
        let owners = folders.iter_mut().map(|folder| (folder.user.as_deref(), &mut folder.is_owner));
        self.check_owners(owners).await;
        Ok(folders)
    }

    /// The folders of this user's projects. A server that cannot list them has none.
    async fn project_vfolders(&self) -> Result<Vec<VirtualFolder>, ClientError> {
        let projects = match self.projects("list the projects").await {
            Ok(projects) => projects,
            Err(error) if error.status().is_some() || error.kind() == ErrorKind::Unsupported => Vec::new(),
            Err(error) => return Err(error),
        };
        let of_project = |project: Project| async move {
            let call = self.request("list the virtual folders", Method::GET, "/folders");
            call.query("group_id", project.id).send().await?.json::<Vec<VirtualFolder>>()
        };
        let listed: Vec<_> = stream::iter(projects).map(of_project).buffered(AT_ONCE).collect().await;
        Ok(listed.into_iter().flatten().flatten().collect())
    }

    async fn vfolder_of(&self, about: VirtualFolder) -> Result<VFolder, ClientError> {
        let has_ids = self.version().await? >= since("v8.20240315") && !about.id.is_empty();
        let key = if has_ids { about.id.replace('-', "") } else { about.name.clone() };
        Ok(VFolder { api: self.clone(), key: segment(&key), about })
    }
}

impl VFolder {
    /// What the list said about it.
    pub fn about(&self) -> &VirtualFolder {
        &self.about
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.about.name
    }

    /// Its server.
    pub fn api(&self) -> &Api {
        &self.api
    }

    /// A request about the folder. `suffix` begins with a slash, or is empty.
    fn request(&self, what: &str, method: Method, suffix: &str) -> Request<'_> {
        self.api.request(what, method, format!("/folders/{}{suffix}", self.key))
    }
}

/// The folder with this name or id. A name that one preferred folder has means that one.
fn choose(
    folders: Vec<VirtualFolder>,
    reference: &str,
    preferred: impl Fn(&VirtualFolder) -> bool,
) -> Result<VirtualFolder, ErrorKind> {
    let id = reference.replace('-', "");
    let is_it = |folder: &VirtualFolder| {
        folder.name == reference || !id.is_empty() && folder.id.replace('-', "").eq_ignore_ascii_case(&id)
    };
    let found = folders.into_iter().filter(|folder| is_it(folder) && !folder.is_gone());
    let (mut best, mut others): (Vec<_>, Vec<_>) = found.partition(preferred);
    let candidates = if best.is_empty() { &mut others } else { &mut best };
    match (candidates.pop(), candidates.is_empty()) {
        (None, _) => Err(ErrorKind::NotFound),
        (Some(folder), true) => Ok(folder),
        (Some(_), false) => Err(ErrorKind::Ambiguous),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn folder(name: &str, id: &str, status: &str) -> VirtualFolder {
        serde_json::from_value(json!({"name": name, "id": id, "status": status})).unwrap()
    }

    #[test]
    fn a_folder_is_found_by_name_or_id_and_one_in_the_trash_last() {
        let all = || {
            vec![
                folder("a", "0a", "ready"),
                folder("a", "0b", "delete-pending"),
                folder("b", "0c", "delete-pending"),
                folder("c", "0d", "ready"),
                folder("c", "0e", "ready"),
                folder("d", "0f", "delete-complete"),
            ]
        };
        let usable = |reference| choose(all(), reference, |folder| !folder.is_in_trash());
        let trash = |reference| choose(all(), reference, VirtualFolder::is_in_trash);
        assert_eq!(usable("a").unwrap().id, "0a");
        assert_eq!(trash("a").unwrap().id, "0b");
        assert_eq!(usable("b").unwrap().id, "0c");
        assert_eq!(usable("0B").unwrap().id, "0b");
        assert_eq!(usable("c").unwrap_err(), ErrorKind::Ambiguous);
        assert_eq!(usable("0-d").unwrap().id, "0d");
        for missing in ["d", "e", "", "-"] {
            assert_eq!(usable(missing).unwrap_err(), ErrorKind::NotFound, "{missing}");
        }
    }
}
