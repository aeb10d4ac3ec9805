//! Images as files, and images that are made of containers and archives.

use std::process::Command;
use std::sync::{Arc, Mutex};

use containerv::spec::request::{IdRange, UserNamespace};
use containerv::{
    Container, ErrorKind, Images, LoadOptions, MakeOptions, PullEvent, PullProgress, SaveFormat, SkipReason,
    StdioSet,
};
use containerv_tests::image::{self, Image};
use containerv_tests::machine::is_root;
use containerv_tests::{Bed, skip};
use serde_json::json;

use crate::has;

fn images(bed: &Bed) -> Images {
    bed.host().images()
}

/// An image with a shell, imported as `base:1`.
fn base(bed: &Bed) {
    let root = bed.in_root("/");
    let archive = Command::new("tar")
        .args(["--owner=0", "--group=0", "-C", root.to_str().unwrap(), "-cf", "-", "."])
        .output()
        .unwrap();
    assert!(archive.status.success());
    let options = MakeOptions {
        reference: Some("base:1".into()),
        changes: vec!["ENV PATH=/bin".into(), "CMD [\"sh\", \"-c\", \"echo from the image\"]".into()],
        comment: Some("a root".into()),
        ..MakeOptions::default()
    };
    let image = images(bed).import(&archive.stdout[..], &options).unwrap();
    assert_eq!(
        (image.layers().unwrap().len(), image.config().config.env.as_slice()),
        (1, &["PATH=/bin".into()][..])
    );
}

/// Runs a script in a container of an image; returns what it said, and the container.
fn run(bed: &Bed, name: &str, script: Option<&str>) -> (String, Container) {
    let words = script.map_or(Vec::new(), |script| vec!["sh", "-c", script]);
    let (status, said, container) = image::run(bed, &images(bed).get(name).unwrap(), &words);
    assert!(status.success());
    (said, container)
}

fn says(bed: &Bed, name: &str, script: &str) -> String {
    let (said, container) = run(bed, name, Some(script));
    container.delete(true).unwrap();
    said
}

#[test]
fn what_a_container_changed_is_a_layer_of_a_new_image() {
    let bed = Bed::with_program();
    base(&bed);
    let (said, first) = run(&bed, "base:1", None);
    assert_eq!(said, "from the image\n");
    let script =
        "mkdir -p /srv/dir && echo new > /srv/dir/file && rm /etc/group && mv /etc/passwd /etc/moved";
    let (_, container) = run(&bed, "base:1", Some(script));
    let options = MakeOptions {
        reference: Some("made:1".into()),
        author: Some("me".into()),
        changes: vec!["CMD [\"sh\", \"-c\", \"cat /srv/dir/file\"]".into()],
        ..MakeOptions::default()
    };
    let made = images(&bed).commit(&container, &options).unwrap();
    assert_eq!((made.layers().unwrap().len(), made.config().history.len()), (2, 2));
    assert_eq!(made.config().config.env, ["PATH=/bin"]);
    // The same changes are the same layer.
    let again = images(&bed)
        .commit(&container, &MakeOptions { reference: Some("made:2".into()), ..options })
        .unwrap();
    assert_eq!(made.layers().unwrap()[1].blob, again.layers().unwrap()[1].blob);
    let (said, second) = run(&bed, "made:1", None);
    assert_eq!(said, "new\n");
    let listed = says(
        &bed,
        "made:1",
        "for name in group passwd moved; do test -e /etc/$name && echo $name; done; true",
    );
    assert_eq!(listed, "moved\n");
    for container in [first, second, container] {
        container.delete(true).unwrap();
    }
}

#[test]
fn a_layer_of_a_container_with_mapped_ids_has_the_ids_that_it_saw() {
    if !is_root() {
        return skip("needs root, whose layers are shifted");
    }
    let bed = Bed::with_program();
    base(&bed);
    let script = "mkdir -p /srv/dir && echo x > /srv/dir/file && chown 5:6 /srv/dir/file && rm /etc/group";
    let builder = Container::builder_of(&images(&bed).get("base:1").unwrap()).unwrap();
    let mut request = builder.command(["sh", "-c", script]).request(bed.host()).unwrap();
    let range = vec![IdRange { inside: 0, outside: 200_000, count: 65_536 }];
    request.namespaces.user = UserNamespace::Mapped { uids: range.clone(), gids: range };
    let (container, mut child) = Container::run_attached(bed.host(), request, StdioSet::null()).unwrap();
    assert!(child.wait().unwrap().success());
    let options = MakeOptions { reference: Some("made:1".into()), ..MakeOptions::default() };
    images(&bed).commit(&container, &options).unwrap();
    container.delete(true).unwrap();
    let said =
        says(&bed, "made:1", "stat -c %u:%g / /srv /srv/dir /srv/dir/file; test -e /etc/group || echo none");
    assert_eq!(said, "0:0\n0:0\n0:0\n5:6\nnone\n");
}

#[test]
fn mount_points_are_no_changes_and_in_no_layer() {
    let bed = Bed::with_program();
    let root = bed.in_root("/");
    let archive =
        Command::new("tar").arg("-C").arg(root).args(["-cf", "-", "./bin", "./etc/passwd"]).output().unwrap();
    let named = |name: &str| MakeOptions { reference: Some(name.into()), ..MakeOptions::default() };
    let image = images(&bed).import(&archive.stdout[..], &named("small:1")).unwrap();
    let shared = bed.path("shared");
    std::fs::create_dir(&shared).unwrap();
    let command = ["/bin/sh", "-c", "echo x > /point/x && echo x > /written && ls /proc/self /etc/hosts"];
    let builder = Container::builder_of(&image).unwrap().command(command).bind(&shared, "/point");
    let (container, mut child) = builder.run(bed.host(), StdioSet::null()).unwrap();
    assert!(child.wait().unwrap().success());
    let changes: Vec<_> = container.changes().unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(changes, ["A /written"]);
    let made = images(&bed).commit(&container, &named("small:2")).unwrap();
    let containerv::spec::request::Root::Layers(layers) = made.root().unwrap() else { panic!() };
    let top = std::path::PathBuf::from(layers.folders[0].to_str().unwrap());
    let mut names: Vec<_> = std::fs::read_dir(top).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["etc", "written"]);
    container.delete(true).unwrap();
}

#[test]
fn saved_images_are_loaded_elsewhere_with_their_digests() {
    let bed = Bed::with_program();
    base(&bed);
    let (_, container) = run(&bed, "base:1", Some("echo two > /two"));
    let options = MakeOptions { reference: Some("made:1".into()), ..MakeOptions::default() };
    images(&bed).commit(&container, &options).unwrap();
    container.delete(true).unwrap();
    let save = |format| {
        let mut archive = Vec::new();
        images(&bed).save(&["base:1", "made:1"], format, &mut archive).unwrap();
        archive
    };
    let digest = |bed: &Bed, name: &str| images(bed).get(name).unwrap().digest().clone();
    for format in [SaveFormat::Docker, SaveFormat::Oci] {
        let archive = save(format);
        assert!(archive == save(format), "the same images become other bytes");
        let other = Bed::new();
        let loaded = images(&other).load_stream(&archive[..], &LoadOptions::default()).unwrap();
        assert_eq!(loaded.len(), 2);
        for name in ["base:1", "made:1"] {
            assert_eq!(digest(&other, name), digest(&bed, name));
        }
        assert_eq!(says(&other, "made:1", "cat /two"), "two\n");
        let file = other.path("archive.tar");
        std::fs::write(&file, &archive).unwrap();
        assert_eq!(images(&other).load(&file, &LoadOptions::default()).unwrap().len(), 2);
        let mut damaged = archive.clone();
        let middle = damaged.len() / 2;
        damaged[middle..middle + 64].fill(0);
        let fresh = Bed::new();
        assert!(images(&fresh).load_stream(&damaged[..], &LoadOptions::default()).is_err());
    }
    let directory = bed.path("saved");
    images(&bed).save_directory(&["made:1"], SaveFormat::Oci, &directory).unwrap();
    let error = images(&bed).save_directory(&["made:1"], SaveFormat::Oci, &directory).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists, "{error}");
    let other = Bed::new();
    images(&other).load(&directory, &LoadOptions::default()).unwrap();
    assert_eq!(digest(&other, "made:1"), digest(&bed, "made:1"));
    let error = images(&other).load(&bed.in_root("/"), &LoadOptions::default()).unwrap_err();
    assert!(error.to_string().contains("neither an image layout nor an archive of images"), "{error}");
}

#[test]
fn skopeo_reads_what_we_save_and_we_load_what_it_writes() {
    if !has("skopeo") {
        return;
    }
    let bed = Bed::with_program();
    base(&bed);
    let saved = bed.path("saved.tar");
    images(&bed).save(&["base:1"], SaveFormat::Docker, std::fs::File::create(&saved).unwrap()).unwrap();
    let id = images(&bed).get("base:1").unwrap().id().clone();
    for (from, to) in [
        ("docker-archive:saved.tar:base:1", "docker-archive:copy.tar:copy:1"),
        ("oci-archive:saved.tar", "oci:copied:1"),
    ] {
        let mut skopeo = Command::new("skopeo");
        skopeo.current_dir(bed.path(".")).args(["--insecure-policy", "copy", "--quiet", from, to]);
        let output = skopeo.output().unwrap();
        assert!(output.status.success(), "{skopeo:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
    for copy in ["copy.tar", "copied"] {
        let other = Bed::with_program();
        let loaded = images(&other).load(&bed.path(copy), &LoadOptions::default()).unwrap();
        assert_eq!((loaded.len(), loaded[0].id()), (1, &id), "{copy}");
    }
}

#[test]
fn an_exported_root_is_imported_as_it_was() {
    let bed = Bed::with_program();
    base(&bed);
    let (_, container) = run(&bed, "base:1", Some("echo changed > /changed; chmod 700 /changed"));
    let mut archive = Vec::new();
    container.export(&mut archive, None).unwrap();
    container.delete(true).unwrap();
    let listed = list(&bed, &archive);
    assert!(listed.lines().any(|name| name == "changed"), "{listed}");
    // Of what is mounted, the mount points.
    assert!(listed.lines().any(|name| name == "proc/"), "{listed}");
    assert!(!listed.lines().any(|name| name.starts_with("proc/") && name != "proc/"), "{listed}");
    let options = MakeOptions { reference: Some("again:1".into()), ..MakeOptions::default() };
    images(&bed).import(&archive[..], &options).unwrap();
    assert_eq!(says(&bed, "again:1", "PATH=/bin; cat /changed"), "changed\n");
}

/// As root, and as an ordinary user with subordinate ids, by whom the ids of the archive are those in containers.
#[test]
fn files_belong_in_containers_to_whom_the_archive_says() {
    let bed = Bed::with_program();
    base(&bed);
    let mut builder = tar::Builder::new(Vec::new());
    for (name, kind, mode, owner) in [
        ("dir/", tar::EntryType::Directory, 0o750, 33),
        ("dir/file", tar::EntryType::Regular, 0o4755, 34),
        ("twice", tar::EntryType::Regular, 0o600, 35),
        ("twice", tar::EntryType::Regular, 0o644, 0),
        ("link", tar::EntryType::Symlink, 0o777, 36),
    ] {
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_uid(owner);
        header.set_gid(owner + 1);
        header.set_mtime(1_000_000_000);
        header.set_size(0);
        if kind == tar::EntryType::Symlink {
            header.set_link_name("twice").unwrap();
        }
        builder.append_data(&mut header, name, &b""[..]).unwrap();
    }
    let layout = bed.make_directory("layout");
    let shell = Image::default().tree(&bed.in_root("/")).archive(&builder.into_inner().unwrap());
    shell.config(json!({ "Env": ["PATH=/bin"] })).put_layout(&layout, "owned:1");
    images(&bed).load(&layout, &LoadOptions::default()).unwrap();
    let ids = says(&bed, "owned:1", "wc -l < /proc/self/uid_map; head -1 /proc/self/uid_map");
    let said =
        says(&bed, "owned:1", "cd /; stat -c '%n %u:%g %a %Y' dir dir/file twice; stat -c '%n %u:%g' link");
    let all = ids.starts_with('2') || ids.contains("4294967295");
    let (expected, note) = match all {
        true => (
            "dir 33:34 750 1000000000\ndir/file 34:35 4755 1000000000\ntwice 0:1 644 1000000000\nlink 36:37\n",
            "all ids",
        ),
        false => (
            "dir 0:0 750 1000000000\ndir/file 0:0 755 1000000000\ntwice 0:0 644 1000000000\nlink 0:0\n",
            "one id",
        ),
    };
    assert_eq!(said, expected, "with {note}: {ids}");
    println!("with {note}");
}

/// What an ordinary user cannot make is told by whoever unpacks it, and not again.
#[test]
fn what_is_not_as_the_archive_says_is_told() {
    let bed = Bed::new();
    let mut builder = tar::Builder::new(Vec::new());
    for (name, kind, owner) in [
        ("far", tar::EntryType::Regular, 2_000_000),
        ("sda", tar::EntryType::Block, 0),
        ("own", tar::EntryType::Regular, 0),
    ] {
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(kind);
        header.set_mode(0o600);
        header.set_uid(owner);
        header.set_size(0);
        header.set_device_major(8).unwrap();
        header.set_device_minor(0).unwrap();
        builder.append_data(&mut header, name, &b""[..]).unwrap();
    }
    let layout = bed.make_directory("layout");
    Image::default().archive(&builder.into_inner().unwrap()).put_layout(&layout, "odd:1");
    let told = Arc::new(Mutex::new(Vec::new()));
    let note = told.clone();
    let progress: PullProgress = Arc::new(move |event| {
        if let PullEvent::LeftOut { entries, count, .. } = event {
            note.lock().unwrap().push((entries.clone(), *count));
        }
    });
    let options = LoadOptions { progress: Some(progress), ..LoadOptions::default() };
    images(&bed).load(&layout, &options).unwrap();
    images(&bed).load(&layout, &options).unwrap();
    let told = told.lock().unwrap();
    if rustix::process::geteuid().is_root() {
        return assert!(told.is_empty(), "{told:?}");
    }
    let [(entries, 2)] = &told[..] else { panic!("{told:?}") };
    let mut named: Vec<_> = entries.iter().map(|entry| (entry.path.to_string(), entry.reason)).collect();
    named.sort_by(|a, b| a.0.cmp(&b.0));
    let expected = [("far", SkipReason::Owner), ("sda", SkipReason::Device)];
    assert_eq!(named, expected.map(|(name, reason)| (name.to_owned(), reason)));
}

fn list(bed: &Bed, archive: &[u8]) -> String {
    let path = bed.path("exported.tar");
    std::fs::write(&path, archive).unwrap();
    let output = Command::new("tar").arg("-tf").arg(path).output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn archives_that_lie_about_images_are_refused() {
    let bed = Bed::new();
    let archive = |files: &[(&str, &[u8])]| {
        let mut builder = tar::Builder::new(Vec::new());
        for (name, content) in files {
            let mut header = tar::Header::new_ustar();
            header.set_mode(0o644);
            header.set_size(content.len() as u64);
            builder.append_data(&mut header, name, *content).unwrap();
        }
        builder.into_inner().unwrap()
    };
    let list = |config: &str, layer: &str| {
        json!([{ "Config": config, "RepoTags": ["a:1"], "Layers": [layer] }]).to_string()
    };
    let config = br#"{"os":"linux","architecture":"amd64","rootfs":{"type":"layers","diff_ids":[]}}"#;
    let cases: Vec<(Vec<u8>, &str)> = vec![
        (archive(&[("manifest.json", b"[]")]), "there is no image in it"),
        (archive(&[("manifest.json", b"{")]), "`manifest.json` of the archive is damaged"),
        (
            archive(&[("manifest.json", list("../../etc/passwd", "x").as_bytes())]),
            "has no `../../etc/passwd`",
        ),
        (
            archive(&[("manifest.json", list("config", "layer").as_bytes()), ("config", config)]),
            "has no `layer`",
        ),
        (
            archive(&[
                ("manifest.json", list("config", "layer").as_bytes()),
                ("config", config),
                ("layer", &[0; 1024]),
            ]),
            "1 layers, and its configuration 0",
        ),
        (
            archive(&[("oci-layout", br#"{"imageLayoutVersion":"9"}"#), ("index.json", b"{}")]),
            "of version `9`",
        ),
        (archive(&[("unrelated", b"x")]), "neither an image layout nor an archive of images"),
    ];
    for (archive, words) in cases {
        let error = images(&bed).load_stream(&archive[..], &LoadOptions::default()).unwrap_err().to_string();
        assert!(error.contains(words), "wanted {words}\n   got {error}");
    }
    // A blob that is not what its name says.
    let layout = bed.make_directory("layout");
    Image::default().layer(&[("a", b"1")]).put_layout(&layout, "1");
    for entry in std::fs::read_dir(layout.join("blobs/sha256")).unwrap() {
        let path = entry.unwrap().path();
        let mut bytes = std::fs::read(&path).unwrap();
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        std::fs::write(&path, bytes).unwrap();
    }
    images(&bed).load(&layout, &LoadOptions::default()).unwrap_err();
    assert!(images(&bed).list().unwrap().is_empty());
}
