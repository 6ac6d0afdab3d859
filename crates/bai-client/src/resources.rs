//! Lists of a cluster's resources: images, slots, presets, resource groups, virtual folders (`docs/wire` §2.10).

use super::api::Api;
use super::error::{ClientError, ErrorKind};
use super::files::is_no_route;
use super::graphql::{field, since};
use bai_protocol::resources::{Image, Preset, PresetCheck, SlotDetails, VirtualFolder};
use reqwest::Method;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use std::collections::BTreeMap;

/// The filter for images.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ImageOptions {
    /// Also images for the server's own work. From 20.09 on.
    pub operation: bool,
    /// Only images that an agent has. From 20.09 on.
    pub installed: bool,
}

#[derive(Deserialize)]
struct Presets {
    presets: Vec<Preset>,
}

#[derive(Deserialize)]
struct ScalingGroups {
    scaling_groups: Vec<ScalingGroup>,
}

#[derive(Deserialize)]
struct ScalingGroup {
    name: String,
}

/// A project of this user.
#[derive(Deserialize)]
pub(super) struct Project {
    pub(super) id: String,
    name: String,
}

impl Api {
    /// The images for sessions of this user, by reference. Our engine lists the interpreters of its machine.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] before 19.09; else what the server says.
    pub async fn images(&self, options: ImageOptions) -> Result<Vec<Image>, ClientError> {
        let what = "list the images";
        let version = self.version().await.map_err(|error| error.with_what(what))?;
        let mut fields = String::from("name registry tag aliases size_bytes labels { key value }");
        if version >= since("v6.20220315") {
            fields.push_str(" architecture");
        }
        let arguments = match (version >= since("v6.20200815"), options.installed) {
            (false, _) => String::new(),
            (true, false) => format!("(is_operation: {})", is_operation(options)),
            (true, true) => format!("(is_installed: true, is_operation: {})", is_operation(options)),
        };
        let query = format!("query {{ images{arguments} {{ {fields} }} }}");
        let mut data = self.graphql(what, &query, json!({})).await?;
        let mut images: Vec<Image> = field(what, &mut data, "images")?;
        images.sort_by_key(Image::reference);
        Ok(images)
    }

    /// The slots of the cluster, by name, each with its unit: `count`, `bytes` or `unique`.
    ///
    /// # Errors
    /// What the server says.
    pub async fn resource_slots(&self) -> Result<BTreeMap<String, String>, ClientError> {
        self.get("list the resource slots", "/config/resource-slots", &[]).await
    }

    /// The descriptions of the slots, or of those of one resource group. From 23.03 on.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] before 23.03 and from the engine of bai-repl; else what the server says.
    pub async fn slot_details(
        &self,
        scaling_group: Option<&str>,
    ) -> Result<BTreeMap<String, SlotDetails>, ClientError> {
        let query: Vec<_> = scaling_group.map(|name| ("sgroup", name)).into_iter().collect();
        self.get("describe the resource slots", "/config/resource-slots/details", &query).await
    }

    /// The resource presets, or those of one resource group. From 19.09 on.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] from servers without presets, the engine of bai-repl among them; else what the server says.
    pub async fn presets(&self, scaling_group: Option<&str>) -> Result<Vec<Preset>, ClientError> {
        let query: Vec<_> = scaling_group.map(|name| ("scaling_group", name)).into_iter().collect();
        Ok(self.get::<Presets>("list the resource presets", "/resource/presets", &query).await?.presets)
    }

    /// The resource presets, whether they fit now, and how much this key and its project may still use. Without `group`,
    /// for the project of the options, or for `default`.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] for an unknown project, and from servers without presets; else what the server says.
    pub async fn check_presets(
        &self,
        group: Option<&str>,
        scaling_group: Option<&str>,
    ) -> Result<PresetCheck, ClientError> {
        let mut body = json!({"group": self.project(group)});
        if let (Some(body), Some(name)) = (body.as_object_mut(), scaling_group) {
            body.insert("scaling_group".into(), json!(name));
        }
        let call = self.request("see what resources are free", Method::POST, "/resource/check-presets");
        call.json(&body)?.send().await?.json()
    }

    /// The names of the resource groups in which this user may make sessions. `group` as in [`Api::check_presets`].
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] for an unknown project, before 19.09, and from the engine of bai-repl; else what the server says.
    pub async fn scaling_groups(&self, group: Option<&str>) -> Result<Vec<String>, ClientError> {
        let query = [("group", self.project(group))];
        let found: ScalingGroups = self.get("list the resource groups", "/scaling-groups", &query).await?;
        Ok(found.scaling_groups.into_iter().map(|group| group.name).collect())
    }

    /// The virtual folders that this user can mount.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] from a server that has none, such as the engine of bai-repl; else what the server says.
    pub async fn virtual_folders(&self) -> Result<Vec<VirtualFolder>, ClientError> {
        self.get("list the virtual folders", "/folders", &[]).await.map_err(|error| {
            if !is_no_route(&error) {
                return error;
            }
            error
                .with_kind(ErrorKind::Unsupported)
                .with_why("this server has no virtual folders")
                .into_sentence()
        })
    }

    /// The UUID of a project of this user, by its name; a UUID is returned as it is.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when this user has none of that name; else what the server says.
    pub async fn project_id(&self, name: &str) -> Result<String, ClientError> {
        let what = format!("find the project {name}");
        if uuid::Uuid::parse_str(name).is_ok() {
            return Ok(name.to_owned());
        }
        let found = self.projects(&what).await?.into_iter().find(|project| project.name == name);
        found.map(|project| project.id).ok_or_else(|| {
            ClientError::new(ErrorKind::NotFound, &what, format!("there is no project {name}"))
                .into_sentence()
        })
    }

    /// The projects of this user.
    pub(super) async fn projects(&self, what: &str) -> Result<Vec<Project>, ClientError> {
        let mut data = self.graphql(what, "query { groups { id name } }", json!({})).await?;
        field(what, &mut data, "groups")
    }

    fn project<'a>(&'a self, group: Option<&'a str>) -> &'a str {
        group.or(self.options().group.as_deref()).unwrap_or("default")
    }

    async fn get<T: DeserializeOwned>(
        &self,
        what: &str,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<T, ClientError> {
        let mut call = self.request(what, Method::GET, path);
        for (name, value) in query {
            call = call.query(name, *value);
        }
        call.send().await?.json()
    }
}

/// The value of GraphQL's argument: `null` includes all images, `false` leaves those for the server out.
fn is_operation(options: ImageOptions) -> &'static str {
    if options.operation { "null" } else { "false" }
}
