//! Configurations of images as they become by an edit, and on another base. Nothing is read or written here.

use containerv_spec::hcs::path::in_container;
use containerv_spec::image::config::History;
use containerv_spec::image::{Descriptor, Digest, ImageConfig, Manifest};

use super::path::folded;
use crate::{Error, ErrorKind, Result};

/// What changes of how an image wants to be run; what is none stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfigEdit {
    /// Environment: name and value; without one it is removed.
    pub env: Vec<(String, Option<String>)>,
    /// First words of the command; an empty list removes them.
    pub entrypoint: Option<Vec<String>>,
    /// Later words of the command; an empty list removes them.
    pub cmd: Option<Vec<String>>,
    /// Whose the command is: `ContainerUser`, `ContainerAdministrator` or another; empty for the system's own choice.
    pub user: Option<String>,
    /// Working directory, as `C:\app`; empty for the root.
    pub working_dir: Option<String>,
    /// Labels: name and value; without one it is removed.
    pub labels: Vec<(String, Option<String>)>,
}

fn refused(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidArgument, message)
}

impl ConfigEdit {
    /// Says whether nothing changes.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Applies it.
    ///
    /// # Errors
    ///
    /// Each value that an image of this system cannot have.
    pub fn apply(&self, config: &mut ImageConfig) -> Result<()> {
        let windows = config.os == "windows";
        let run = &mut config.config;
        for (name, value) in &self.env {
            if name.is_empty()
                || name.contains(['=', '\0'])
                || value.as_ref().is_some_and(|value| value.contains('\0'))
            {
                return Err(refused(format!("`{}` is no variable of an environment", name.escape_debug())));
            }
            let same = |own: &str| if windows { folded(own) == folded(name) } else { own == name };
            let named = |variable: &String| variable.split_once('=').is_some_and(|(own, _)| same(own));
            let place = run.env.iter().position(named);
            match (place, value) {
                (Some(place), Some(value)) => run.env[place] = format!("{name}={value}"),
                (Some(place), None) => _ = run.env.remove(place),
                (None, Some(value)) => run.env.push(format!("{name}={value}")),
                (None, None) => {}
            }
        }
        for (words, own) in [(&self.entrypoint, &mut run.entrypoint), (&self.cmd, &mut run.cmd)] {
            let Some(words) = words else { continue };
            if words.iter().any(|word| word.contains('\0')) {
                return Err(refused("a word of the command has a NUL"));
            }
            *own = Some(words.clone()).filter(|words| !words.is_empty());
            // The words are words, whatever the command was before.
            run.args_escaped = false;
        }
        if let Some(user) = &self.user {
            if user.contains(['\0', '/', ':']) && windows {
                return Err(refused(format!("`{}` is no user of Windows", user.escape_debug()))
                    .with_hint("name one such as `ContainerUser` or `DOMAIN\\user`"));
            }
            run.user.clone_from(user);
        }
        if let Some(directory) = &self.working_dir {
            run.working_dir = match directory.is_empty() || !windows {
                true => directory.clone(),
                false => in_container(directory)
                    .map_err(|problem| refused(format!("working directory `{directory}`: {problem}")))?,
            };
        }
        for (name, value) in &self.labels {
            match value {
                Some(value) => _ = run.labels.insert(name.clone(), value.clone()),
                None => _ = run.labels.remove(name),
            }
        }
        Ok(())
    }
}

/// Notes a step in the history of an image; with `layer` it has made that.
pub fn note(config: &mut ImageConfig, layer: Option<Digest>, by: &str, created: &str) {
    config.created = Some(created.to_owned());
    config.history.push(History {
        created: Some(created.to_owned()),
        created_by: Some(by.to_owned()),
        empty_layer: layer.is_none(),
        ..History::default()
    });
    config.rootfs.diff_ids.extend(layer);
}

/// An image: what it is made of, and how it wants to be run.
#[derive(Clone, Copy, Debug)]
pub struct ImageParts<'a> {
    /// Its manifest.
    pub manifest: &'a Manifest,
    /// Its configuration.
    pub config: &'a ImageConfig,
}

/// An image on another base.
#[derive(Clone, Debug, PartialEq)]
pub struct Rebased {
    /// Its configuration.
    pub config: ImageConfig,
    /// Its layers, the lowest first.
    pub layers: Vec<Descriptor>,
    /// How many of them are the new base's.
    pub base_layers: usize,
}

/// Puts what an image has above its old base on a new one: layers stay as they are, byte for byte. The version and
/// features of the system are the new base's; of the rest of the configuration, what the image has from its old
/// base comes from the new one.
///
/// # Errors
///
/// The image is not made on that base; the bases are for other systems or processors; documents that do not fit together.
pub fn rebase(image: ImageParts<'_>, old: ImageParts<'_>, new: ImageParts<'_>) -> Result<Rebased> {
    for (what, parts) in [("image", image), ("old base", old), ("new base", new)] {
        if parts.manifest.layers.len() != parts.config.rootfs.diff_ids.len() {
            return Err(Error::new(
                ErrorKind::Corrupt,
                format!("the {what}'s manifest and configuration have different numbers of layers"),
            ));
        }
    }
    let (own, below) = (&image.config.rootfs.diff_ids, &old.config.rootfs.diff_ids);
    if !own.starts_with(below) || below.is_empty() {
        let common = own.iter().zip(below).take_while(|(own, below)| own == below).count();
        return Err(refused(format!(
            "the image is not made on this base: of its {} layers, {common} of the first {} are the base's",
            own.len(),
            below.len()
        ))
        .with_hint("name the base that it was made on, by its digest"));
    }
    let system = |parts: ImageParts<'_>| (parts.config.os.clone(), parts.config.architecture.clone());
    if system(image) != system(new) {
        let ((os, architecture), (new_os, new_architecture)) = (system(image), system(new));
        return Err(refused(format!(
            "the image is for {os}/{architecture}, and the new base for {new_os}/{new_architecture}"
        )));
    }
    let mut config = image.config.clone();
    config.os_version.clone_from(&new.config.os_version);
    config.os_features.clone_from(&new.config.os_features);
    config.variant.clone_from(&new.config.variant);
    inherit(&mut config, old.config, new.config);
    let above = below.len();
    config.rootfs.diff_ids = [&new.config.rootfs.diff_ids[..], &own[above..]].concat();
    let history = &image.config.history[history_of(image.config, above)..];
    config.history = [&new.config.history[..], history].concat();
    let layers = [&new.manifest.layers[..], &image.manifest.layers[above..]].concat();
    Ok(Rebased { config, layers, base_layers: new.manifest.layers.len() })
}

/// How many steps of the history belong to the first layers: up to the step that made the last of them, and steps
/// without a layer right behind it that the base had.
fn history_of(config: &ImageConfig, layers: usize) -> usize {
    let mut made = 0;
    for (number, step) in config.history.iter().enumerate() {
        if made == layers && !step.empty_layer {
            return number;
        }
        made += usize::from(!step.empty_layer);
        if made == layers {
            return number + 1;
        }
    }
    config.history.len()
}

/// What the image has from the old base becomes the new base's.
fn inherit(config: &mut ImageConfig, old: &ImageConfig, new: &ImageConfig) {
    let (run, old, new) = (&mut config.config, &old.config, &new.config);
    macro_rules! fields {
        ($($field:ident)*) => {$(
            if run.$field == old.$field {
                run.$field.clone_from(&new.$field);
            }
        )*};
    }
    fields!(user exposed_ports volumes working_dir labels stop_signal stop_timeout healthcheck shell on_build);
    if (&run.entrypoint, &run.cmd, run.args_escaped) == (&old.entrypoint, &old.cmd, old.args_escaped) {
        run.entrypoint.clone_from(&new.entrypoint);
        run.cmd.clone_from(&new.cmd);
        run.args_escaped = new.args_escaped;
    }
    let own: Vec<String> = run.env.iter().filter(|variable| !old.env.contains(variable)).cloned().collect();
    let name = |variable: &str| folded(variable.split('=').next().unwrap_or_default());
    let kept = new.env.iter().filter(|variable| !own.iter().any(|own| name(own) == name(variable))).cloned();
    run.env = kept.chain(own.clone()).collect();
}
