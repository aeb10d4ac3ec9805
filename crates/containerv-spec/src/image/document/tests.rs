use serde_json::json;

use super::*;
use crate::image::ImageConfig;

fn descriptor(media_type: &str) -> Value {
    json!({"mediaType": media_type, "digest": Digest::of(b"x").to_string(), "size": 1, "vendor": {"kept": true}})
}

fn manifest() -> Value {
    json!({
        "schemaVersion": 2,
        "mediaType": media_type::OCI_MANIFEST,
        "config": descriptor(media_type::OCI_CONFIG),
        "layers": [descriptor(media_type::OCI_LAYER_GZIP), descriptor(media_type::OCI_LAYER_ZSTD)],
        "annotations": null,
        "org.example.more": [1, 2]
    })
}

fn index() -> Value {
    json!({"schemaVersion": 2, "mediaType": media_type::DOCKER_INDEX, "manifests": [{
        "mediaType": media_type::DOCKER_MANIFEST, "digest": Digest::of(b"x").to_string(), "size": 7,
        "platform": {"architecture": "amd64", "os": "windows", "os.version": "10.0.20348.1", "os.features": ["win32k"]}
    }]})
}

fn with(mut document: Value, name: &str, value: Value) -> Value {
    document[name] = value;
    document
}

fn without(mut document: Value, name: &str) -> Value {
    document.as_object_mut().unwrap().shift_remove(name);
    document
}

fn parse(document: &Value, content_type: &str) -> Result<Document, InvalidDocument> {
    Document::parse(document.to_string().as_bytes(), content_type)
}

#[test]
fn manifests_and_indexes_are_read_and_keep_what_is_not_known() {
    let Document::Manifest(read) =
        parse(&manifest(), "application/vnd.oci.image.manifest.v1+json; charset=utf-8").unwrap()
    else {
        panic!("no manifest")
    };
    assert_eq!((read.layers.len(), read.config.size), (2, 1));
    assert_eq!(read.extra["org.example.more"], json!([1, 2]));
    assert_eq!(read.layers[1].extra["vendor"], json!({"kept": true}));
    let Document::Index(read) = parse(&index(), "").unwrap() else { panic!("no index") };
    let platform = read.manifests[0].platform.as_ref().unwrap();
    assert_eq!(platform.to_string(), "windows(10.0.20348.1)/amd64");
    assert_eq!(platform.os_features, ["win32k"]);
    for content_type in ["", "application/json", media_type::OCI_MANIFEST, media_type::DOCKER_MANIFEST] {
        let read = parse(&without(manifest(), "mediaType"), content_type).unwrap();
        assert!(matches!(read, Document::Manifest(_)), "{content_type}");
    }
}

#[test]
fn what_can_be_read_in_two_ways_is_refused() {
    let layers = json!([descriptor(media_type::OCI_LAYER)]);
    let twice = manifest().to_string().replacen("{\"schema", "{\"layers\":[],\"schema", 1);
    let unknown_twice = manifest().to_string().replacen("{\"schema", "{\"x\":1,\"x\":2,\"schema", 1);
    let inner = manifest().to_string().replacen("\"size\":1", "\"size\":1,\"size\":2", 1);
    for (document, content_type, why) in [
        (with(manifest(), "manifests", json!([])).to_string(), "", "at once"),
        (with(index(), "layers", layers.clone()).to_string(), "", "at once"),
        (with(index(), "config", descriptor("x")).to_string(), "", "at once"),
        (manifest().to_string(), media_type::OCI_INDEX, "came as"),
        (manifest().to_string(), media_type::DOCKER_MANIFEST, "came as"),
        (without(manifest(), "mediaType").to_string(), media_type::OCI_INDEX, "members of a manifest"),
        (without(index(), "mediaType").to_string(), media_type::OCI_MANIFEST, "members of an index"),
        (with(index(), "mediaType", json!(media_type::OCI_MANIFEST)).to_string(), "", "members of an index"),
        (with(manifest(), "Layers", layers.clone()).to_string(), "", "could be read as"),
        (with(manifest(), "MANIFESTS", layers).to_string(), "", "could be read as"),
        (twice, "", "twice"),
        (unknown_twice, "", "twice"),
        (inner, "", "duplicate"),
        (with(manifest(), "mediaType", json!("text/plain")).to_string(), "", "text/plain"),
    ] {
        let error = Document::parse(document.as_bytes(), content_type).expect_err(&document).to_string();
        assert!(error.contains(why), "{document}: {error}");
    }
}

#[test]
fn other_documents_are_refused() {
    let schema_1 =
        json!({"schemaVersion": 1, "name": "a", "tag": "b", "fsLayers": [], "history": [], "signatures": []});
    let huge = with(manifest(), "pad", json!("x".repeat(MAX_DOCUMENT_BYTES)));
    let overflow = with(manifest(), "layers", {
        let layer = with(descriptor("x"), "size", json!(u64::MAX / 2));
        json!([layer, layer, layer])
    });
    let many = with(manifest(), "layers", json!(vec![descriptor("x"); MAX_LAYERS + 1]));
    let deep = format!("{{\"x\":{}", "[".repeat(100_000));
    for (document, content_type, why) in [
        (schema_1.to_string(), "", "schema 1"),
        (manifest().to_string(), "application/vnd.docker.distribution.manifest.v1+prettyjws", "schema 1"),
        (with(manifest(), "schemaVersion", json!(3)).to_string(), "", "schemaVersion"),
        (without(manifest(), "schemaVersion").to_string(), "", "schemaVersion"),
        (without(manifest(), "layers").to_string(), "", "neither"),
        (with(manifest(), "layers", json!({})).to_string(), "", "expected a sequence"),
        (with(manifest(), "layers", json!([{"digest": "x"}])).to_string(), "", "digest"),
        (
            with(manifest(), "config", with(descriptor("x"), "size", json!(-1))).to_string(),
            "",
            "invalid value",
        ),
        (overflow.to_string(), "", "too large"),
        (many.to_string(), "", "layers"),
        (huge.to_string(), "", "larger"),
        (deep, "", "recursion"),
        ("[]".to_owned(), "", "object"),
        ("<html>".to_owned(), "", "expected value"),
        (String::new(), "", "EOF"),
        (format!("{} x", manifest()), "", "trailing"),
    ] {
        let error = Document::parse(document.as_bytes(), content_type).expect_err(why).to_string();
        assert!(error.contains(why), "{why}: {error}");
    }
}

#[test]
fn a_configuration_is_read_as_docker_writes_it() {
    let diff_id = Digest::of(b"layer").to_string();
    let document = json!({
        "architecture": "amd64", "os": "windows", "os.version": "10.0.20348.2527", "created": "2024-01-01T00:00:00Z",
        "config": {
            "Hostname": "", "User": "ContainerUser", "Env": ["A=b"], "Cmd": ["c:\\x.exe /a \"b c\""], "ArgsEscaped": true,
            "Entrypoint": null, "Volumes": {"C:\\data": {}}, "OnBuild": null, "Labels": null, "WorkingDir": "C:\\",
            "ExposedPorts": {"80/tcp": {}}, "StopSignal": "SIGTERM", "Shell": ["powershell"],
            "Healthcheck": {"Test": ["CMD", "x"], "Interval": 30_000_000_000_i64, "Retries": 3}
        },
        "rootfs": {"type": "layers", "diff_ids": [diff_id]},
        "history": [{"created": "2024-01-01T00:00:00Z", "created_by": "x", "empty_layer": true}],
        "docker_version": "20.10"
    });
    let config = ImageConfig::parse(document.to_string().as_bytes()).unwrap();
    assert_eq!(config.platform().to_string(), "windows(10.0.20348.2527)/amd64");
    let run = &config.config;
    assert_eq!(
        (run.entrypoint.as_deref(), run.cmd.as_ref().map(Vec::len), run.args_escaped),
        (None, Some(1), true)
    );
    assert_eq!((run.volumes.len(), run.exposed_ports.len(), &*run.user), (1, 1, "ContainerUser"));
    assert_eq!(run.healthcheck.as_ref().unwrap().retries, Some(3));
    assert_eq!((&run.extra["Hostname"], &config.extra["docker_version"]), (&json!(""), &json!("20.10")));
    let again: ImageConfig = serde_json::from_value(serde_json::to_value(&config).unwrap()).unwrap();
    assert_eq!(again, config);
    let old =
        json!({"architecture": "386", "os": "linux", "config": {"Cmd": "sh"}, "rootfs": {"type": "layers"}});
    assert_eq!(
        ImageConfig::parse(old.to_string().as_bytes()).unwrap().config.cmd,
        Some(vec!["sh".to_owned()])
    );
    for (wrong, why) in [
        (json!({"rootfs": {"type": "layers+base"}}), "layers+base"),
        (json!({"rootfs": {"type": "layers", "diff_ids": ["x"]}}), "digest"),
        (json!({"config": {"Env": [1]}}), "string"),
    ] {
        let error = ImageConfig::parse(wrong.to_string().as_bytes()).unwrap_err().to_string();
        assert!(error.contains(why), "{why}: {error}");
    }
}
