//! The folders themselves: made, renamed, thrown away, restored, cloned, and where they can be.

use super::super::api::Api;
use super::super::error::{ClientError, ErrorKind};
use super::super::graphql::since;
use super::super::task::Task;
use super::VFolder;
use bai_protocol::resources::VirtualFolder;
use bai_protocol::vfolder::{VFolderHosts, VFolderInfo, VFolderOptions, VFolderRequest};
use reqwest::Method;
use serde::Deserialize;
use serde_json::json;

#[derive(Deserialize)]
struct Cloned {
    #[serde(default)]
    bgtask_id: Option<String>,
}

impl Api {
    /// Makes a virtual folder.
    ///
    /// # Errors
    /// [`ErrorKind::Refused`] when a folder of that name exists, a quota is reached, or the host is not allowed;
    /// [`ErrorKind::BadRequest`] for a name that no folder can have; else what the server says.
    pub async fn create_vfolder(&self, request: &VFolderRequest) -> Result<VFolder, ClientError> {
        let what = format!("make the folder {}", request.name);
        if request.name.is_empty() || request.name.contains(['/', '\0']) || request.name.len() > 64 {
            let why = "the name of a folder has 1 to 64 letters, and no '/'";
            return Err(ClientError::new(ErrorKind::BadRequest, what, why));
        }
        let reply = self.request(&what, Method::POST, "/folders").json(request)?.send().await;
        let about: VirtualFolder = reply.map_err(|error| taken(error, &request.name))?.json()?;
        self.vfolder_of(about).await
    }

    /// The storage hosts on which this user may make folders.
    ///
    /// # Errors
    /// What the server says.
    pub async fn vfolder_hosts(&self) -> Result<VFolderHosts, ClientError> {
        self.request("list the storage hosts", Method::GET, "/folders/_/hosts").send().await?.json()
    }
}

impl VFolder {
    /// Facts about the folder.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when it is gone; else what the server says.
    pub async fn info(&self) -> Result<VFolderInfo, ClientError> {
        let what = format!("read the facts about {}", self.name());
        let mut info: VFolderInfo = self.request(&what, Method::GET, "").send().await?.json()?;
        self.api.check_owners(std::iter::once((info.user.as_deref(), &mut info.is_owner))).await;
        Ok(info)
    }

    /// Renames the folder. Sessions that have mounted it keep it under its old name.
    ///
    /// # Errors
    /// [`ErrorKind::Refused`] when a folder of that name exists; else what the server says.
    pub async fn rename(&self, name: &str) -> Result<(), ClientError> {
        let what = format!("rename {} to {name}", self.name());
        let call = self.request(&what, Method::POST, "/rename").json(&json!({"new_name": name}))?;
        call.send().await.map(drop).map_err(|error| taken(error, name))
    }

    /// Changes settings of the folder.
    ///
    /// # Errors
    /// What the server says.
    pub async fn change(&self, options: &VFolderOptions) -> Result<(), ClientError> {
        let what = format!("change the settings of {}", self.name());
        self.request(&what, Method::POST, "/update-options").json(options)?.send().await.map(drop)
    }

    /// Moves the folder to the trash, from which it can be restored. Servers before 24.03 have no trash, and delete it for good.
    ///
    /// # Errors
    /// [`ErrorKind::Refused`] when a session has mounted it; else what the server says.
    pub async fn delete(&self) -> Result<(), ClientError> {
        let what = format!("delete {}", self.name());
        if !self.has_trash().await? {
            return self.request(&what, Method::DELETE, "").send().await.map(drop);
        }
        let call = self.api.request(&what, Method::DELETE, "/folders").json(&json!({"id": self.about.id}))?;
        call.send().await.map(drop)
    }

    /// Whether [`VFolder::delete`] moves it to a trash.
    ///
    /// # Errors
    /// What the server says.
    pub async fn has_trash(&self) -> Result<bool, ClientError> {
        Ok(self.api.version().await? >= since("v8.20240315"))
    }

    /// Takes the folder out of the trash. From 24.03 on.
    ///
    /// # Errors
    /// [`ErrorKind::Refused`] when it is not there, or another folder has its name; else what the server says.
    pub async fn restore(&self) -> Result<(), ClientError> {
        let what = format!("restore {}", self.name());
        self.in_trash(&what, "/folders/restore-from-trash-bin").await
    }

    /// Removes a folder in the trash with all its files, for good. From 24.03 on.
    ///
    /// # Errors
    /// As [`VFolder::restore`].
    pub async fn purge(&self) -> Result<(), ClientError> {
        let what = format!("remove {} for good", self.name());
        self.in_trash(&what, "/folders/delete-from-trash-bin").await
    }

    async fn in_trash(&self, what: &str, path: &str) -> Result<(), ClientError> {
        if !self.about.is_in_trash() {
            let why = format!("{} is not in the trash", self.name());
            return Err(ClientError::new(ErrorKind::Refused, what, why).into_sentence());
        }
        let call = self.api.request(what, Method::POST, path).json(&json!({"id": self.about.id}))?;
        call.send().await.map(drop)
    }

    /// Begins to copy the folder with all its files. The task tells when the copy is complete; servers before 22.03 have none, and
    /// are done.
    ///
    /// # Errors
    /// [`ErrorKind::Forbidden`] for a folder that must not be cloned; [`ErrorKind::Refused`] when a folder of that name exists;
    /// else what the server says.
    pub async fn clone_to(&self, request: &VFolderRequest) -> Result<Option<Task>, ClientError> {
        let what = format!("clone {} to {}", self.name(), request.name);
        let host = request.host.as_deref().unwrap_or(&self.about.host);
        let mut body =
            json!({"target_name": request.name, "target_host": host, "cloneable": request.cloneable});
        if let Some(body) = body.as_object_mut() {
            let mode = request.usage_mode.as_ref().map(|mode| ("usage_mode".to_owned(), json!(mode)));
            let rights = request.permission.as_ref().map(|rights| ("permission".to_owned(), json!(rights)));
            body.extend(mode.into_iter().chain(rights));
        }
        let reply = self.request(&what, Method::POST, "/clone").json(&body)?.send().await;
        let cloned: Cloned = reply.map_err(|error| taken(error, &request.name))?.json()?;
        Ok(cloned.bgtask_id.map(|id| Task::follow(&self.api, &id)))
    }
}

/// The error of a request for a new name, in plain words if a folder has it. Servers say that with 400 or 409.
fn taken(error: ClientError, name: &str) -> ClientError {
    let said = error.problem().and_then(|problem| problem.msg.as_deref()).unwrap_or_default();
    if !said.contains("already exists") {
        return error;
    }
    let why = format!("a virtual folder {name} exists already");
    error.with_kind(ErrorKind::Refused).with_why(why).into_sentence()
}
