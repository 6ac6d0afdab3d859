//! The resources of a cluster (`docs/wire` §2.10): images, slots, presets, resource groups, virtual folders.

use super::lenient;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// An image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Image {
    /// Name without registry, such as `stable/python`.
    #[serde(default, deserialize_with = "lenient::null_as_default")]
    pub name: String,
    /// Registry; `local` for images of the agent's own.
    #[serde(default, deserialize_with = "lenient::null_as_default")]
    pub registry: String,
    /// Tag, such as `3.13`.
    #[serde(default, deserialize_with = "lenient::null_as_default")]
    pub tag: String,
    /// Machine architecture; missing before 22.03.
    #[serde(default)]
    pub architecture: Option<String>,
    /// Short names, such as `python:3.13`.
    #[serde(default, deserialize_with = "lenient::list")]
    pub aliases: Vec<String>,
    /// Bytes.
    #[serde(default, deserialize_with = "lenient::number")]
    pub size_bytes: Option<u64>,
    /// Labels, such as `ai.backend.features` (`docs/wire` §9.6).
    #[serde(default, deserialize_with = "lenient::list")]
    pub labels: Vec<ImageLabel>,
}

/// A label of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ImageLabel {
    /// Key.
    pub key: String,
    /// Value.
    pub value: String,
}

impl Image {
    /// All its names: the reference, and the short names, which are equivalent.
    pub fn names(&self) -> impl Iterator<Item = String> + use<> {
        std::iter::once(self.reference()).chain(self.aliases.clone())
    }

    /// The reference that names it in full, without its architecture.
    pub fn reference(&self) -> String {
        if self.registry.is_empty() {
            return format!("{}:{}", self.name, self.tag);
        }
        format!("{}/{}:{}", self.registry, self.name, self.tag)
    }

    /// The value of a label.
    pub fn label(&self, key: &str) -> Option<&str> {
        self.labels.iter().find(|label| label.key == key).map(|label| label.value.as_str())
    }
}

/// A named set of resources.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Preset {
    /// Name.
    pub name: String,
    /// Slots by name: memory in bytes.
    #[serde(default, deserialize_with = "lenient::slots")]
    pub resource_slots: BTreeMap<String, String>,
    /// Shared memory, in bytes.
    #[serde(default, deserialize_with = "lenient::text")]
    pub shared_memory: Option<String>,
    /// Whether a session of this size would start now; only where this was asked.
    #[serde(default)]
    pub allocatable: Option<bool>,
}

/// The presets, and how much may still be used. Amounts are texts: numbers, `Infinity`, or `NaN` for what the server does
/// not report.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct PresetCheck {
    /// The presets, each with whether it fits.
    #[serde(deserialize_with = "lenient::list")]
    pub presets: Vec<Preset>,
    /// The most that this key may use.
    #[serde(deserialize_with = "lenient::slots")]
    pub keypair_limits: BTreeMap<String, String>,
    /// What this key uses.
    #[serde(deserialize_with = "lenient::slots")]
    pub keypair_using: BTreeMap<String, String>,
    /// What this key may still use.
    #[serde(deserialize_with = "lenient::slots")]
    pub keypair_remaining: BTreeMap<String, String>,
    /// The most that the project may use.
    #[serde(deserialize_with = "lenient::slots")]
    pub group_limits: BTreeMap<String, String>,
    /// What the project uses.
    #[serde(deserialize_with = "lenient::slots")]
    pub group_using: BTreeMap<String, String>,
    /// What the project may still use.
    #[serde(deserialize_with = "lenient::slots")]
    pub group_remaining: BTreeMap<String, String>,
    /// What is free in the resource group.
    #[serde(deserialize_with = "lenient::slots")]
    pub scaling_group_remaining: BTreeMap<String, String>,
}

/// How a slot is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SlotDetails {
    /// The label, such as `CPU`.
    #[serde(default, deserialize_with = "lenient::null_as_default")]
    pub human_readable_name: String,
    /// The description.
    #[serde(default, deserialize_with = "lenient::null_as_default")]
    pub description: String,
    /// Unit, such as `GiB`.
    #[serde(default, deserialize_with = "lenient::null_as_default")]
    pub display_unit: String,
}

/// A virtual folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct VirtualFolder {
    /// Id: 32 hexadecimal digits.
    #[serde(default, deserialize_with = "lenient::null_as_default")]
    pub id: String,
    /// Name, by which sessions mount it.
    pub name: String,
    /// The host of its storage.
    #[serde(default, deserialize_with = "lenient::null_as_default")]
    pub host: String,
    /// `ready`, `delete-pending`…; missing on old servers.
    #[serde(default)]
    pub status: Option<String>,
    /// `ro`, `rw` or `wd` (may also delete).
    #[serde(default)]
    pub permission: Option<String>,
    /// `general`, `model` or `data`.
    #[serde(default)]
    pub usage_mode: Option<String>,
    /// `user` or `group`.
    #[serde(default)]
    pub ownership_type: Option<String>,
    /// When it was created.
    #[serde(default)]
    pub created_at: Option<String>,
    /// Whether it is this user's. Some servers say so of every folder that an administrator may delete.
    #[serde(default, deserialize_with = "lenient::null_as_default")]
    pub is_owner: bool,
    /// The UUID of the user whose folder it is.
    #[serde(default)]
    pub user: Option<String>,
    /// Who made it: an e-mail address.
    #[serde(default)]
    pub creator: Option<String>,
    /// Whether others may clone it.
    #[serde(default, deserialize_with = "lenient::null_as_default")]
    pub cloneable: bool,
}

impl VirtualFolder {
    /// Whether it was deleted, and can be restored.
    pub fn is_in_trash(&self) -> bool {
        self.status.as_deref() == Some("delete-pending")
    }

    /// Whether its files are gone, or are about to go.
    pub fn is_gone(&self) -> bool {
        self.status.as_deref().is_some_and(|status| status.starts_with("delete-")) && !self.is_in_trash()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_image_has_a_reference_and_labels() {
        let image: Image = serde_json::from_value(json!({
            "name": "stable/python", "registry": "local", "tag": "3.13", "size_bytes": 590_312_487, "aliases": null,
            "labels": [{"key": "ai.backend.features", "value": "batch query"}], "architecture": "x86_64",
        }))
        .unwrap();
        assert_eq!(image.reference(), "local/stable/python:3.13");
        assert_eq!(image.label("ai.backend.features"), Some("batch query"));
        assert_eq!(image.label("x"), None);
        assert_eq!(image.size_bytes, Some(590_312_487));
    }

    #[test]
    fn amounts_that_are_not_numbers_stay_text() {
        let check: PresetCheck = serde_json::from_value(json!({
            "presets": [{"name": "small", "resource_slots": {"cpu": "1"}, "shared_memory": 1024, "allocatable": false}],
            "keypair_remaining": {"cpu": "Infinity"}, "group_limits": {"cpu": "NaN"}, "scaling_groups": {},
        }))
        .unwrap();
        let preset = check.presets.first().unwrap();
        assert_eq!((preset.allocatable, preset.shared_memory.as_deref()), (Some(false), Some("1024")));
        assert_eq!(check.keypair_remaining.get("cpu").map(String::as_str), Some("Infinity"));
    }
}
