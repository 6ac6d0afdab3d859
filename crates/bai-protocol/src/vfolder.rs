//! Virtual folders on the wire (`docs/wire` §2.10): requests and replies about them. Their list is in [`crate::resources`].

use super::lenient;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// A folder to make.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct VFolderRequest {
    /// Its name.
    pub name: String,
    /// The storage host. Without one, the server's default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// The UUID of the project that it belongs to. Without one, it belongs to this user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// `general`, `model` or `data`. Without one, the server's default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage_mode: Option<String>,
    /// `ro`, `rw` or `wd`. Without one, the server's default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub permission: Option<String>,
    /// Whether others may clone it.
    pub cloneable: bool,
}

/// Facts about a folder.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct VFolderInfo {
    /// Its name.
    pub name: String,
    /// Its id: 32 hexadecimal digits.
    #[serde(default, deserialize_with = "lenient::null_as_default")]
    pub id: String,
    /// The storage host.
    #[serde(default, deserialize_with = "lenient::null_as_default")]
    pub host: String,
    /// `ready`, `delete-pending`…
    #[serde(default)]
    pub status: Option<String>,
    /// Bytes in use, as far as the storage counts them. Servers say -1 for too many.
    #[serde(default, deserialize_with = "lenient::number")]
    pub used_bytes: Option<u64>,
    /// The number of files and folders, as far as the storage counts them. Servers say -1 for too many.
    #[serde(default, rename = "numFiles", alias = "num_files", deserialize_with = "lenient::number")]
    pub files: Option<u64>,
    /// When it was created.
    #[serde(default)]
    pub created_at: Option<String>,
    /// When a session last used it.
    #[serde(default)]
    pub last_used: Option<String>,
    /// `user` or `group`.
    #[serde(default, rename = "type")]
    pub kind: Option<String>,
    /// Whether it is this user's. Some servers say so of every folder that an administrator may delete.
    #[serde(default, deserialize_with = "lenient::null_as_default")]
    pub is_owner: bool,
    /// The UUID of the user whose folder it is.
    #[serde(default)]
    pub user: Option<String>,
    /// `ro`, `rw` or `wd`.
    #[serde(default)]
    pub permission: Option<String>,
    /// `general`, `model` or `data`.
    #[serde(default)]
    pub usage_mode: Option<String>,
    /// Whether others may clone it.
    #[serde(default, deserialize_with = "lenient::null_as_default")]
    pub cloneable: bool,
}

/// Settings of a folder to change; `None` leaves one as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct VFolderOptions {
    /// `ro`, `rw` or `wd`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub permission: Option<String>,
    /// Whether others may clone it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cloneable: Option<bool>,
}

/// The storage hosts on which this user may make folders.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct VFolderHosts {
    /// The one for folders that do not name any.
    #[serde(default)]
    pub default: Option<String>,
    /// All of them.
    #[serde(default)]
    pub allowed: Vec<String>,
    /// Facts about them, by name. From 22.09 on.
    #[serde(default, rename = "volume_info", deserialize_with = "lenient::null_as_default")]
    pub facts: BTreeMap<String, VFolderHost>,
}

/// Facts about a storage host.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct VFolderHost {
    /// The kind of storage.
    #[serde(default)]
    pub backend: String,
    /// What the storage can do.
    #[serde(default)]
    pub capabilities: Vec<String>,
    #[serde(default)]
    usage: Value,
}

impl VFolderHost {
    /// How much of it is in use, in percent, if the server tells.
    pub fn used_percent(&self) -> Option<f64> {
        self.usage.get("percentage").and_then(Value::as_f64)
    }
}

/// An invitation to a folder, sent or received.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct VFolderInvitation {
    /// Its UUID.
    pub id: String,
    /// Who invites: an e-mail address.
    #[serde(deserialize_with = "lenient::null_as_default")]
    pub inviter: String,
    /// Who is invited: an e-mail address.
    #[serde(deserialize_with = "lenient::null_as_default")]
    pub invitee: String,
    /// `ro`, `rw` or `wd`.
    #[serde(alias = "mount_permission", deserialize_with = "lenient::null_as_default")]
    pub perm: String,
    /// `pending`…
    #[serde(deserialize_with = "lenient::null_as_default")]
    pub state: String,
    /// When it was sent.
    pub created_at: Option<String>,
    /// The folder's UUID.
    #[serde(deserialize_with = "lenient::null_as_default")]
    pub vfolder_id: String,
    /// The folder's name.
    #[serde(deserialize_with = "lenient::null_as_default")]
    pub vfolder_name: String,
}

/// A user who may use a folder of somebody else.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct VFolderShare {
    /// The folder's UUID.
    #[serde(deserialize_with = "lenient::null_as_default")]
    pub vfolder_id: String,
    /// The folder's name.
    #[serde(deserialize_with = "lenient::null_as_default")]
    pub vfolder_name: String,
    /// `ro`, `rw` or `wd`.
    #[serde(deserialize_with = "lenient::null_as_default")]
    pub perm: String,
    shared_to: Value,
}

impl VFolderShare {
    /// The user's e-mail address.
    pub fn email(&self) -> &str {
        self.shared_to.get("email").and_then(Value::as_str).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn facts_of_every_server_are_read() {
        let info: VFolderInfo = serde_json::from_value(json!({
            "name": "a", "id": "0a", "host": "local:volume1", "status": "ready", "numFiles": 3, "used_bytes": 7,
            "created_at": "2026-11-30 01:24:32+00:00", "last_used": null, "type": "user", "is_owner": true,
            "permission": "rw", "usage_mode": "general", "cloneable": null,
        }))
        .unwrap();
        assert_eq!((info.files, info.used_bytes, info.cloneable), (Some(3), Some(7), false));
        let large = json!({"name": "a", "numFiles": -1, "used_bytes": -1});
        let large: VFolderInfo = serde_json::from_value(large).unwrap();
        assert_eq!((large.files, large.used_bytes), (None, None), "the server has given up counting");
        let hosts: VFolderHosts = serde_json::from_value(json!({
            "default": "a", "allowed": ["a"], "volume_info": {"a": {"backend": "vfs", "usage": {"percentage": 7.5}}},
        }))
        .unwrap();
        assert_eq!(hosts.facts["a"].used_percent(), Some(7.5));
        let old: VFolderHosts = serde_json::from_value(json!({"default": null, "allowed": []})).unwrap();
        assert!(old.facts.is_empty());
        let share: VFolderShare =
            serde_json::from_value(json!({"perm": "ro", "shared_to": {"uuid": "u", "email": "a@b"}}))
                .unwrap();
        assert_eq!((share.email(), &*share.perm), ("a@b", "ro"));
    }

    #[test]
    fn a_request_names_only_what_is_set() {
        let request = VFolderRequest { name: "a".into(), ..VFolderRequest::default() };
        assert_eq!(serde_json::to_value(&request).unwrap(), json!({"name": "a", "cloneable": false}));
    }
}
