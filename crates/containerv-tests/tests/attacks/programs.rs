//! The program that runs between the library and the command, and the caller's own.

use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;

use containerv::spec::request::{IdRange, Mount, MountOptions, MountSource, UserNamespace};
use containerv::{Container, ExecOptions, StdioSet};
use containerv_tests::machine::is_root;
use containerv_tests::{Bed, Caller, programs, shell};
use rustix::fs::SealFlags;

use crate::{Attacker, caller, cv, process};

/// Programs of the host that an attack would change: those that call the library.
fn callers() -> Vec<(PathBuf, Vec<u8>)> {
    let own = std::env::current_exe().unwrap();
    let installed = std::env::var_os("CONTAINERV_CV").map(PathBuf::from);
    let paths = [Some(own), Some(caller()), installed].into_iter().flatten();
    paths.map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

#[test]
fn cve_2019_5736_no_program_of_the_host_can_be_written_from_inside() {
    let bed = Bed::with_program();
    let before = callers();
    programs::compile("grab", &bed.in_root("bin/grab"));
    let mut request = bed.request();
    // PID 1 is the stage, with the same rights as the attacker: the best that there is to grab.
    request.init = true;
    request.process = Some(process(&["grab"]));
    // The attacker may write to the container's own programs, but not to what the caller executes there.
    let path = bed.in_root("bin/inside").to_str().unwrap().into();
    request.mounts.push(Mount {
        source: MountSource::Bind { path, recursive: true },
        target: "/bin/inside".into(),
        read_only: true,
        options: MountOptions::default(),
    });
    let stdio = StdioSet { stdin: containerv::Stdio::Null, ..StdioSet::piped() };
    let (container, child) = Container::run_attached(bed.host(), request, stdio).unwrap();
    let first = child.id();
    let attacker = Attacker::of(&bed, child);
    let caller = Caller::new(&bed, caller());
    for round in 0..150 {
        assert!(container.command("true").status().unwrap().success());
        if round % 10 == 0 {
            caller.change("exec", container.id().as_str(), None).survived();
        }
        if round % 10 == 5 {
            let output = cv(&bed, &["exec", container.id().as_str(), "true"]);
            assert!(output.is_none_or(|output| output.status.success()));
        }
    }
    let stage = File::open(format!("/proc/{first}/exe")).unwrap();
    let seals = rustix::fs::fcntl_get_seals(&stage).unwrap();
    assert!(seals.contains(SealFlags::SEAL | SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK));
    let said = attacker.stop();
    println!("{said}");
    assert!(said.ends_with(" written 0\n") && !said.starts_with("opened 0 "), "{said}");
    for (path, bytes) in before {
        assert!(fs::read(&path).unwrap() == bytes, "{}", path.display());
    }
}

#[test]
fn cve_2019_5736_an_entry_point_of_proc_self_exe_is_the_stage_and_nothing_else() {
    let bed = Bed::new();
    let before = callers();
    symlink("/proc/self/exe", bed.in_root("link")).unwrap();
    let script = bed.in_root("script");
    fs::write(&script, "#!/proc/self/exe\n").unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let container = bed.keeper(|_| {});
    for program in ["/proc/self/exe", "/link", "/script", "/proc/thread-self/exe"] {
        // A number makes the stage look for a program of its own at that descriptor.
        for argument in ["", "0", "3", "4", "x"] {
            let asked = process(&[program, argument]);
            let mut request = bed.request();
            request.process = Some(asked.clone());
            let (attached, mut child) =
                Container::run_attached(bed.host(), request.clone(), StdioSet::null()).unwrap();
            // EX_SOFTWARE: the stage has found no program.
            assert_eq!(child.wait().unwrap().code(), Some(70), "{program} {argument}");
            attached.delete(true).unwrap();
            let mut further = container.exec(&asked, StdioSet::null(), ExecOptions::default()).unwrap();
            assert_eq!(further.wait().unwrap().code(), Some(70), "{program} {argument}");
            request.id = bed.request().id;
            let detached = Container::run_detached(bed.host(), request).unwrap();
            assert_eq!(detached.wait().unwrap().code, 70, "{program} {argument}");
            detached.delete(true).unwrap();
        }
    }
    for (path, bytes) in before {
        assert!(fs::read(&path).unwrap() == bytes, "{}", path.display());
    }
}

#[test]
fn cve_2026_84042_no_helper_is_looked_for_in_the_callers_path() {
    let bed = Bed::new();
    let lures = bed.make_directory("lures");
    let marker = bed.path("executed");
    for name in ["newuidmap", "newgidmap", "mount", "umount", "ip", "sh", "tar", "gzip", "getent"] {
        let path = lures.join(name);
        fs::write(&path, format!("#!/bin/busybox sh\necho $0 >> {}\nexit 1\n", marker.display())).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let caller = Caller::new(&bed, caller());
    for mapped in [false, true] {
        let mut request = bed.request();
        if mapped && is_root() {
            let range = |outside| vec![IdRange { inside: 0, outside, count: 65_536 }];
            request.namespaces.user = UserNamespace::Mapped { uids: range(200_000), gids: range(300_000) };
        }
        request.process = Some(shell("true"));
        let file = caller.store(&request);
        let mut command = caller.command("detached");
        let output = command.arg("--request").arg(file).env("PATH", &lures).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        bed.host().container(request.id.as_str()).unwrap().wait().unwrap();
        let mut removal = caller.command("delete");
        let output = removal.args(["--container", request.id.as_str()]).env("PATH", &lures).output();
        assert!(output.unwrap().status.success());
    }
    assert!(!marker.exists(), "{}", fs::read_to_string(&marker).unwrap_or_default());
}
