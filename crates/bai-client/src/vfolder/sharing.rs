//! Folders that several users use: invitations, which each user accepts, and what an administrator shares without asking.

use super::super::api::Api;
use super::super::error::{ClientError, ErrorKind};
use super::VFolder;
use bai_protocol::vfolder::{VFolderInvitation, VFolderShare};
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
struct Invitations {
    invitations: Vec<VFolderInvitation>,
}

#[derive(Deserialize)]
struct Shares {
    shared: Vec<VFolderShare>,
}

impl Api {
    /// Finds out which of the folders that the server calls this user's have this user as their owner: some servers say so of every
    /// folder that an administrator may delete. A server that does not name owners, or this user, is believed.
    pub(super) async fn check_owners(&self, folders: impl Iterator<Item = (Option<&str>, &mut bool)>) {
        let mut doubtful =
            folders.filter_map(|(owner, is_own)| Some((owner?, is_own)).filter(|(_, is)| **is));
        let Some(first) = doubtful.next() else { return };
        let Ok(data) = self.graphql("find out who you are", "query { user { uuid } }", json!({})).await
        else {
            return;
        };
        let Some(own) = data.pointer("/user/uuid").and_then(Value::as_str) else { return };
        let plain = |id: &str| id.replace('-', "").to_ascii_lowercase();
        for (owner, is_own) in std::iter::once(first).chain(doubtful) {
            *is_own = plain(own) == plain(owner);
        }
    }

    /// The invitations that wait for this user's answer.
    ///
    /// # Errors
    /// What the server says.
    pub async fn vfolder_invitations(&self) -> Result<Vec<VFolderInvitation>, ClientError> {
        self.invitations("list the invitations", "list").await
    }

    /// The invitations that this user has sent and nobody has answered.
    ///
    /// # Errors
    /// What the server says.
    pub async fn sent_vfolder_invitations(&self) -> Result<Vec<VFolderInvitation>, ClientError> {
        self.invitations("list the sent invitations", "list-sent").await
    }

    async fn invitations(&self, what: &str, which: &str) -> Result<Vec<VFolderInvitation>, ClientError> {
        let call = self.request(what, Method::GET, format!("/folders/invitations/{which}"));
        Ok(call.send().await?.json::<Invitations>()?.invitations)
    }

    /// Accepts an invitation by its UUID.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when there is none; [`ErrorKind::Refused`] when this user has a folder of that name; else what the
    /// server says.
    pub async fn accept_vfolder(&self, invitation: &str) -> Result<(), ClientError> {
        self.answer("accept the invitation", Method::POST, "accept", invitation).await
    }

    /// Declines an invitation that was received, or withdraws one that was sent, by its UUID.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when there is none; else what the server says.
    pub async fn decline_vfolder(&self, invitation: &str) -> Result<(), ClientError> {
        self.answer("decline the invitation", Method::DELETE, "delete", invitation).await
    }

    async fn answer(&self, what: &str, method: Method, path: &str, id: &str) -> Result<(), ClientError> {
        let call = self.request(what, method, format!("/folders/invitations/{path}"));
        call.json(&json!({"inv_id": id}))?.send().await.map(drop)
    }
}

impl VFolder {
    /// Invites users by their e-mail addresses, with the rights `ro`, `rw` or `wd`. Returns the addresses that were invited: not
    /// those of users who have the folder or an invitation already.
    ///
    /// # Errors
    /// [`ErrorKind::BadRequest`] for rights that do not exist; else what the server says.
    pub async fn invite(&self, emails: &[String], rights: &str) -> Result<Vec<String>, ClientError> {
        #[derive(Deserialize)]
        struct Invited {
            invited_ids: Vec<String>,
        }
        let what = format!("invite to {}", self.name());
        let body = json!({"perm": rights, "user_ids": emails});
        let reply = self.request(&what, Method::POST, "/invite").json(&body)?.send().await?;
        Ok(reply.json::<Invited>()?.invited_ids)
    }

    /// Lets users use the folder of a project with other rights, without asking them. For administrators.
    ///
    /// # Errors
    /// [`ErrorKind::Forbidden`] for other users; else what the server says.
    pub async fn share(&self, emails: &[String], rights: &str) -> Result<(), ClientError> {
        let what = format!("share {}", self.name());
        let body = json!({"permission": rights, "emails": emails});
        self.request(&what, Method::POST, "/share").json(&body)?.send().await.map(drop)
    }

    /// Ends what [`VFolder::share`] began.
    ///
    /// # Errors
    /// As [`VFolder::share`].
    pub async fn unshare(&self, emails: &[String]) -> Result<(), ClientError> {
        let what = format!("stop sharing {}", self.name());
        let call = self.request(&what, Method::DELETE, "/unshare").json(&json!({"emails": emails}))?;
        call.send().await.map(drop)
    }

    /// Gives a folder of another user up.
    ///
    /// # Errors
    /// [`ErrorKind::BadRequest`] for a folder of one's own; else what the server says.
    pub async fn leave(&self) -> Result<(), ClientError> {
        let what = format!("leave {}", self.name());
        let mut is_owner = self.about.is_owner;
        self.api.check_owners(std::iter::once((self.about.user.as_deref(), &mut is_owner))).await;
        if is_owner {
            let why = format!("{} is your own folder; it can be deleted", self.name());
            return Err(ClientError::new(ErrorKind::BadRequest, what, why).into_sentence());
        }
        self.request(&what, Method::POST, "/leave").json(&json!({}))?.send().await.map(drop)
    }

    /// The users who may use this folder of this user.
    ///
    /// # Errors
    /// What the server says.
    pub async fn shares(&self) -> Result<Vec<VFolderShare>, ClientError> {
        let what = format!("list who uses {}", self.name());
        let call = self.api.request(&what, Method::GET, "/folders/_/shared");
        let shares: Shares = call.query("vfolder_id", self.about.id.as_str()).send().await?.json()?;
        let id = self.about.id.replace('-', "");
        Ok(shares.shared.into_iter().filter(|share| share.vfolder_id.replace('-', "") == id).collect())
    }
}
