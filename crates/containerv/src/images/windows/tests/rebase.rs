//! Configurations that are edited, and images that get another base.

use containerv_spec::image::config::History;
use containerv_spec::image::{Descriptor, Digest, ImageConfig, Manifest};

use super::super::{ConfigEdit, ImageParts, note, rebase};
use crate::ErrorKind;

fn image(version: &str, layers: &[&str]) -> (Manifest, ImageConfig) {
    let mut config = ImageConfig {
        os: "windows".into(),
        architecture: "amd64".into(),
        os_version: Some(version.into()),
        ..ImageConfig::default()
    };
    config.config.env = vec!["PATH=C:\\Windows".into(), format!("BUILD={version}")];
    config.config.cmd = Some(vec!["cmd.exe".into()]);
    config.config.user = "ContainerUser".into();
    let mut descriptors = Vec::new();
    for layer in layers {
        config.rootfs.diff_ids.push(Digest::of(layer.as_bytes()));
        config.history.push(History { created_by: Some((*layer).into()), ..History::default() });
        descriptors.push(Descriptor::of("layer", layer.as_bytes()));
    }
    (Manifest::new(Descriptor::of("config", b"{}"), descriptors), config)
}

fn parts((manifest, config): &(Manifest, ImageConfig)) -> ImageParts<'_> {
    ImageParts { manifest, config }
}

fn edit(run: impl FnOnce(&mut ConfigEdit)) -> ConfigEdit {
    let mut edit = ConfigEdit::default();
    run(&mut edit);
    edit
}

#[test]
fn configurations_are_edited() {
    let (_, mut config) = image("10.0.1", &["base"]);
    let changes = ConfigEdit {
        env: vec![
            ("Path".into(), Some("C:\\app".into())),
            ("NEW".into(), Some("1".into())),
            ("build".into(), None),
        ],
        entrypoint: Some(vec!["app.exe".into()]),
        cmd: Some(vec![]),
        user: Some("ContainerAdministrator".into()),
        working_dir: Some("C:/app/x".into()),
        labels: vec![("a".into(), Some("b".into()))],
    };
    changes.apply(&mut config).unwrap();
    assert_eq!(config.config.env, ["Path=C:\\app", "NEW=1"]);
    assert_eq!(
        (config.config.entrypoint.as_deref(), &config.config.cmd),
        (Some(&["app.exe".to_owned()][..]), &None)
    );
    assert_eq!(config.config.working_dir, "C:\\app\\x");
    assert_eq!(config.config.labels["a"], "b");
    for bad in [
        edit(|edit| edit.env = vec![("a=b".into(), None)]),
        edit(|edit| edit.working_dir = Some("app".into())),
        edit(|edit| edit.working_dir = Some("C:\\a\\..\\b".into())),
        edit(|edit| edit.user = Some("a:b".into())),
        edit(|edit| edit.cmd = Some(vec!["a\0".into()])),
    ] {
        assert_eq!(bad.apply(&mut config.clone()).unwrap_err().kind(), ErrorKind::InvalidArgument, "{bad:?}");
    }
    note(&mut config, Some(Digest::of(b"app")), "cv image edit", "2026-01-01T00:00:00Z");
    assert_eq!((config.rootfs.diff_ids.len(), config.history.len()), (2, 2));
}

#[test]
fn an_image_gets_a_newer_base() {
    let old = image("10.0.20348.1", &["base 1"]);
    let new = image("10.0.20348.2", &["base 2", "update"]);
    let mut app = image("10.0.20348.1", &["base 1", "app"]);
    app.1.history.push(History { created_by: Some("ENV".into()), empty_layer: true, ..History::default() });
    app.1.config.env.push("APP=1".into());
    app.1.config.entrypoint = Some(vec!["app.exe".into()]);
    let rebased = rebase(parts(&app), parts(&old), parts(&new)).unwrap();
    assert_eq!(rebased.config.os_version.as_deref(), Some("10.0.20348.2"));
    assert_eq!(rebased.config.config.env, ["PATH=C:\\Windows", "BUILD=10.0.20348.2", "APP=1"]);
    assert_eq!(rebased.config.config.entrypoint.as_deref(), Some(&["app.exe".to_owned()][..]));
    let by: Vec<&str> = rebased.config.history.iter().filter_map(|step| step.created_by.as_deref()).collect();
    assert_eq!(by, ["base 2", "update", "app", "ENV"]);
    let expected: Vec<Digest> =
        ["base 2", "update", "app"].map(|layer| Digest::of(layer.as_bytes())).to_vec();
    assert_eq!(rebased.config.rootfs.diff_ids, expected);
    assert_eq!(rebased.layers.iter().map(|layer| layer.digest.clone()).collect::<Vec<_>>(), expected);
    assert_eq!(rebased.base_layers, 2);
    // And back again.
    let there = (Manifest::new(Descriptor::of("config", b"{}"), rebased.layers), rebased.config);
    let back = rebase(parts(&there), parts(&new), parts(&old)).unwrap();
    assert_eq!(back.config, app.1);
}

#[test]
fn an_image_of_another_base_is_refused() {
    let (old, new) = (image("1", &["base 1"]), image("2", &["base 2"]));
    let app = image("1", &["other", "app"]);
    let error = rebase(parts(&app), parts(&old), parts(&new)).unwrap_err();
    assert!(error.to_string().contains("not made on this base"), "{error}");
    let app = image("1", &["base 1", "app"]);
    let mut arm = image("2", &["base 2"]);
    arm.1.architecture = "arm64".into();
    assert!(rebase(parts(&app), parts(&old), parts(&arm)).is_err());
    let mut broken = image("1", &["base 1", "app"]);
    broken.0.layers.pop();
    assert_eq!(rebase(parts(&broken), parts(&old), parts(&new)).unwrap_err().kind(), ErrorKind::Corrupt);
}
