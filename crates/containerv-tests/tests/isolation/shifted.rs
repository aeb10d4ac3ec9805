//! Layers of root's below containers with other ids.

use std::fs;
use std::os::unix::fs::MetadataExt;

use containerv::spec::request::{IdRange, Overlay, Request, Root, UserNamespace};
use containerv::spec::state::Status;
use containerv::{Container, CopyOptions, ErrorKind};
use containerv_tests::machine::is_root;
use containerv_tests::{Bed, shell, skip};

const FIRST: u32 = 200_000;

fn mapped(request: &mut Request) {
    let range = |outside| vec![IdRange { inside: 0, outside, count: 65_536 }];
    request.namespaces.user = UserNamespace::Mapped { uids: range(FIRST), gids: range(FIRST) };
}

fn text(container: &Container, script: &str) -> String {
    let output = container.command("sh").args(["-c", script]).output().unwrap();
    assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

/// Whether this is somebody else's test; an ordinary user has no layers of root's.
fn is_not_root() -> bool {
    let other = !is_root();
    if other {
        skip("needs root, whose layers are shifted");
    }
    other
}

#[test]
fn files_below_have_the_containers_ids_and_what_is_written_has_its_ids_on_the_host() {
    if is_not_root() {
        return;
    }
    let bed = Bed::new();
    fs::write(bed.in_root("etc/theirs"), "x").unwrap();
    std::os::unix::fs::chown(bed.in_root("etc/theirs"), Some(33), Some(44)).unwrap();
    let below = fs::metadata(bed.in_root("etc/passwd")).unwrap();
    for overlay in
        [Overlay::Container, Overlay::Memory, Overlay::Kept(bed.path("kept").to_str().unwrap().into())]
    {
        let container = bed.keeper(|request| {
            mapped(request);
            request.overlay = overlay.clone();
        });
        let said = text(&container, "stat -c %u:%g / /etc /etc/passwd /etc/theirs; cat /proc/self/uid_map");
        let said: Vec<_> = said.split_whitespace().collect();
        assert_eq!(said, ["0:0", "0:0", "0:0", "33:44", "0", "200000", "65536"], "{overlay:?}");
        let changed = "echo more >> /etc/passwd && chown 5:6 /etc/passwd && rm /etc/group && mkdir /new && touch /new/x \
                       && mv /bin /moved && /moved/stat -c %u:%g /etc/passwd /new/x";
        assert_eq!(text(&container, changed), "5:6\n0:0", "{overlay:?}");
        container.delete(true).unwrap();
    }
    let upper = bed.path("kept/upper");
    let owner =
        |name: &str| fs::symlink_metadata(upper.join(name)).map(|data| (data.uid(), data.gid())).unwrap();
    assert_eq!(owner("etc/passwd"), (FIRST + 5, FIRST + 6));
    assert_eq!(owner("new/x"), (FIRST, FIRST));
    let now = fs::metadata(bed.in_root("etc/passwd")).unwrap();
    assert_eq!((now.uid(), now.len(), now.ino()), (below.uid(), below.len(), below.ino()));
    assert!(bed.in_root("etc/group").exists() && bed.in_root("bin").exists());
    bed.assert_nothing_left("after shifted layers");
}

#[test]
fn a_kept_layer_is_taken_up_again_with_the_owner_that_its_container_gave_it() {
    if is_not_root() {
        return;
    }
    let bed = Bed::new();
    let kept = || {
        bed.keeper(|request| {
            mapped(request);
            request.overlay = Overlay::Kept(bed.path("kept").to_str().unwrap().into());
        })
    };
    let first = kept();
    assert_eq!(text(&first, "echo 1 > /file; chown 7:8 / /file; stat -c %u:%g / /file"), "7:8\n7:8");
    first.delete(true).unwrap();
    assert_eq!(text(&kept(), "stat -c %u:%g / /file; cat /file"), "7:8\n7:8\n1");
}

#[test]
fn the_built_in_image_is_written_to() {
    if is_not_root() {
        return;
    }
    let bed = Bed::new();
    let host = |request: &mut Request| {
        mapped(request);
        request.root = Root::Host;
    };
    let script = "echo x > /etc/new; touch /usr/bin/new; chown 9 /usr/bin/new; stat -c %u:%g / /usr /etc /etc/new \
                  /usr/bin/new /usr/bin/env /root; wc -c < /etc/shadow";
    assert_eq!(bed.text(host, script), "0:0\n0:0\n0:0\n0:0\n9:0\n0:0\n0:0\n0");
    let read_only = |request: &mut Request| {
        host(request);
        (request.read_only, request.overlay) = (true, Overlay::Container);
    };
    let script =
        "for f in /x /usr/x /etc/x; do (: > $f) 2>/dev/null || echo no; done; stat -c %u /usr/bin/env";
    assert_eq!(bed.text(read_only, script), "no\nno\nno\n0");
    assert!(!fs::exists("/etc/new").unwrap() && !fs::exists("/usr/bin/new").unwrap());
}

#[test]
fn files_are_copied_and_changes_listed_with_the_containers_ids() {
    if is_not_root() {
        return;
    }
    let bed = Bed::new();
    let mut request = bed.request();
    mapped(&mut request);
    request.overlay = Overlay::Container;
    request.process = Some(shell("echo x >> /count; chown 3:4 /count; rm /etc/group; sleep 1000"));
    let container = Container::run_detached(bed.host(), request).unwrap();
    let count = |container: &Container| text(container, "while ! test -s /count; do :; done; wc -l < /count");
    assert_eq!(count(&container), "1");
    let options = CopyOptions { keep_owner: true, ..CopyOptions::default() };
    let (file, back) = (bed.path("file"), bed.path("back"));
    fs::write(&file, "from the host").unwrap();
    for (round, status) in [Status::Running, Status::Exited].into_iter().enumerate() {
        assert_eq!(container.state().unwrap().status, status);
        container.upload(&file, format!("/etc/up{round}"), &options).unwrap();
        container.download("/count", &back, &options).unwrap();
        let data = fs::metadata(&back).unwrap();
        assert_eq!((data.uid(), data.gid()), (3, 4), "{status:?}");
        fs::remove_file(&back).unwrap();
        container.stop(Some(std::time::Duration::ZERO)).unwrap();
    }
    let changes: Vec<_> = container.changes().unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(changes, ["A /count", "C /etc", "D /etc/group", "A /etc/up0", "A /etc/up1"]);
    container.start().unwrap();
    assert_eq!(text(&container, "stat -c %u:%g /etc/up0 /etc/up1 /count"), "0:0\n0:0\n3:4");
    container.delete(true).unwrap();
    bed.assert_nothing_left("after copies with shifted layers");
}

#[test]
fn a_layer_that_holds_the_containers_own_files_is_refused() {
    if is_not_root() {
        return;
    }
    let bed = Bed::new();
    let mut request = bed.request();
    mapped(&mut request);
    request.overlay = Overlay::Kept(bed.in_root("kept").to_str().unwrap().into());
    let error = Container::create(bed.host(), request).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    assert!(error.to_string().contains("lies in the layer"), "{error}");
    assert!(!bed.in_root("kept").exists());
}

#[test]
fn a_layer_that_cannot_be_shifted_is_told_with_the_way_out() {
    if is_not_root() {
        return;
    }
    let bed = Bed::new();
    let (upper, work, merged) = (bed.path("u"), bed.path("w"), bed.path("merged"));
    for path in [&upper, &work, &merged] {
        fs::create_dir(path).unwrap();
    }
    let options = format!(
        "lowerdir={},upperdir={},workdir={}",
        bed.in_root("").display(),
        upper.display(),
        work.display()
    );
    let mount = bed.mount(&["-t", "overlay", "overlay", "-o", &options], &merged);
    let mut request = bed.request();
    mapped(&mut request);
    request.root = Root::Directory(merged.to_str().unwrap().into());
    request.overlay = Overlay::Container;
    let error = Container::create(bed.host(), request).unwrap_err();
    assert!(error.to_string().contains("shift the ids of"), "{error}");
    assert!(error.hint().unwrap().contains("--overlay none"), "{error:?}");
    drop(mount);
    bed.assert_nothing_left("after a layer that cannot be shifted");
}
