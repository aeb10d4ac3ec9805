//! The wrappers with DLLs: the stand-ins of `sim/`, which lie beside this program.
#![cfg(windows)]
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]

use std::fs;
use std::os::windows::io::AsHandle;
use std::path::{Path, PathBuf};
use std::time::Duration;

use containerv_sys::windows::error::Hresult;
use containerv_sys::windows::guid::Guid;
use containerv_sys::windows::hcs::{self, Hcs, Process, ProcessInfo, System, Waited};
use containerv_sys::windows::library::Libraries;
use containerv_sys::windows::network::{Hcn, Kind};
use containerv_sys::windows::pipe::{Stream, collect};
use containerv_sys::windows::random;
use containerv_sys::windows::storage::Storage;
use containerv_sys::windows::virtdisk::{Attachment, NewDisk, Virtdisk};
use containerv_sys::windows::vmcompute::{ParentLayer, Vmcompute};

const PATIENCE: Option<Duration> = Some(Duration::from_secs(120));

/// Where the stand-ins are; none on a machine without them.
fn libraries() -> Option<Libraries> {
    let directory = std::env::current_exe().unwrap().parent().unwrap().to_path_buf();
    if !directory.join("computecore.dll").exists() {
        println!("skipped: no stand-ins beside this program");
        return None;
    }
    Some(Libraries::in_directory(directory).unwrap())
}

/// Two layers and a scratch that is ready for a container; taken apart at the end.
struct Layered {
    vmcompute: Vmcompute,
    root: PathBuf,
    parents: Vec<ParentLayer>,
    scratch: PathBuf,
    volume: String,
}

impl Layered {
    fn new(from: &Libraries) -> Self {
        let vmcompute = Vmcompute::load(from);
        let name = random::hex::<6>().unwrap();
        let root = Path::new(r"C:\layers").join(&name);
        let parents = ["app", "base"].map(|kind| {
            let name = format!("{kind}-{name}");
            let path = root.join(&name);
            fs::create_dir_all(path.join(r"Files\Windows\System32")).unwrap();
            ParentLayer { id: vmcompute.name_to_guid(&name).unwrap(), path }
        });
        fs::write(parents[0].path.join(r"Files\hello.txt"), "hello from the layer").unwrap();
        fs::copy(std::env::current_exe().unwrap(), parents[0].path.join(r"Files\copier.exe")).unwrap();
        let scratch = root.join(format!("scratch-{name}"));
        vmcompute.create_writable_layer(&scratch, &parents).unwrap();
        vmcompute.activate_layer(&scratch).unwrap();
        vmcompute.prepare_layer(&scratch, &parents).unwrap();
        let volume = vmcompute.layer_mount_path(&scratch).unwrap();
        Self { vmcompute, root, parents: parents.into(), scratch, volume }
    }

    fn document(&self) -> String {
        let quoted = |text: &str| format!("\"{}\"", text.replace('\\', r"\\"));
        let layers: Vec<String> = self
            .parents
            .iter()
            .map(|parent| {
                let path = quoted(parent.path.to_str().unwrap());
                format!("{{\"Id\":\"{}\",\"Path\":{path}}}", parent.id)
            })
            .collect();
        let volume = quoted(&format!(r"{}\", self.volume));
        format!(
            "{{\"Owner\":\"tests\",\"SchemaVersion\":{{\"Major\":2,\"Minor\":1}},\
             \"ShouldTerminateOnLastHandleClosed\":true,\"Container\":{{\"Storage\":{{\"Layers\":[{}],\
             \"Path\":{volume}}},\"Processor\":{{}}}}}}",
            layers.join(",")
        )
    }
}

impl Drop for Layered {
    fn drop(&mut self) {
        let _ = self.vmcompute.unprepare_layer(&self.scratch);
        let _ = self.vmcompute.deactivate_layer(&self.scratch);
        let _ = fs::remove_dir_all(&self.root);
    }
}

fn started(hcs: &Hcs, layers: &Layered) -> (String, System) {
    let id = random::hex::<32>().unwrap();
    let (system, creation) =
        hcs.create_system(hcs.waitable_operation().unwrap(), &id, &layers.document()).unwrap();
    creation.finish(PATIENCE).unwrap();
    let start = system.start(hcs.operation().unwrap(), None).unwrap();
    start.finish(PATIENCE).unwrap();
    (id, system)
}

fn spawn(hcs: &Hcs, system: &System, line: &str) -> (Process, ProcessInfo) {
    let parameters = format!(
        "{{\"CommandLine\":\"{line}\",\"WorkingDirectory\":\"C:\\\\\",\"CreateStdInPipe\":true,\
         \"CreateStdOutPipe\":true,\"CreateStdErrPipe\":true}}"
    );
    let mut spawn = system.create_process(hcs.operation().unwrap(), &parameters).unwrap();
    let Waited::Done(info) = spawn.wait(PATIENCE).unwrap() else { panic!("it starts in time") };
    (spawn.into_process(), info)
}

#[test]
fn every_function_is_found() {
    let Some(from) = libraries() else { return };
    for (library, missing) in [
        ("computecore.dll", Hcs::load(&from).missing()),
        ("computestorage.dll", Storage::load(&from).missing()),
        ("computenetwork.dll", Hcn::load(&from).missing()),
        ("vmcompute.dll", Vmcompute::load(&from).missing()),
        ("virtdisk.dll", Virtdisk::load(&from).missing()),
    ] {
        assert!(missing.is_empty(), "{library} lacks {missing:?}");
    }
}

#[test]
fn the_service_tells_its_versions_and_refuses_nonsense() {
    let Some(from) = libraries() else { return };
    let hcs = Hcs::load(&from);
    let basic = hcs.service_properties(Some("{\"PropertyTypes\":[\"Basic\"]}")).unwrap().unwrap();
    assert!(basic.contains("SupportedSchemaVersions"), "{basic}");
    let wrong = hcs.create_system(hcs.operation().unwrap(), "nonsense", "{\"Nonsense\":1}");
    let error = match wrong {
        Err(error) => error,
        Ok((_system, operation)) => operation.finish(PATIENCE).unwrap_err(),
    };
    let codes = [Hresult(0x8037_010D), Hresult(0x8007_000D)];
    assert!(codes.iter().any(|code| error.is(*code)), "{error}");
    assert!(error.document().is_some_and(|document| document.contains("Error")), "{error:?}");
    let unknown = hcs.open_system("containerv-unknown").unwrap_err();
    assert!(unknown.is(Hresult(0x8037_010E)), "{unknown}");
}

#[test]
fn a_container_runs_processes_and_tells_their_ends() {
    let Some(from) = libraries() else { return };
    let (hcs, layers) = (Hcs::load(&from), Layered::new(&from));
    let (id, system) = started(&hcs, &layers);
    let ends = system.events().unwrap();

    let (process, mut info) = spawn(&hcs, &system, r"cmd /c type C:\\hello.txt& exit 300");
    let exits = process.events().unwrap();
    let outputs: Vec<Stream> = [info.stdout.take(), info.stderr.take()]
        .into_iter()
        .map(|handle| Stream::new(handle.unwrap()).unwrap())
        .collect();
    let said = collect(None, outputs, Some(exits.as_handle()), Duration::from_secs(1), || ()).unwrap();
    assert_eq!(String::from_utf8_lossy(&said[0]), "hello from the layer");
    let Waited::Done(status) = process.wait_for_exit(PATIENCE).unwrap() else { panic!("it ends in time") };
    assert!(status.is_some_and(|status| status.contains("\"ExitCode\":300")));

    let properties = system.properties(hcs.operation().unwrap(), None).unwrap().finish(PATIENCE).unwrap();
    assert!(properties.is_some_and(|properties| properties.contains("\"Running\"")));
    let query = format!("{{\"Ids\":[\"{id}\"]}}");
    let list = hcs.enumerate_systems(hcs.operation().unwrap(), Some(&query)).unwrap();
    assert!(list.finish(PATIENCE).unwrap().is_some_and(|list| list.contains(&id)));

    // By another handle, which has events of its own.
    let other = hcs.open_system(&id).unwrap();
    drop(other.terminate(hcs.operation().unwrap(), None).unwrap());
    let end = ends.next_of(hcs::SYSTEM_EXITED, PATIENCE).unwrap();
    assert!(end.data.is_some_and(|data| data.contains("Status")));
    assert!(hcs.open_system(&id).unwrap_err().is(Hresult(0x8037_010E)));
}

#[test]
fn a_megabyte_goes_through_a_process_and_comes_back() {
    let Some(from) = libraries() else { return };
    let (hcs, layers) = (Hcs::load(&from), Layered::new(&from));
    let (_id, system) = started(&hcs, &layers);
    let (process, info) = spawn(&hcs, &system, r"C:\\copier.exe copies_its_input --exact --nocapture");
    let exits = process.events().unwrap();
    let sent: Vec<u8> = (0..1_000_000_u32).map(|at| (at * 7 % 251) as u8).collect();
    let stream = |handle: Option<_>| Stream::new(handle.unwrap()).unwrap();
    let (input, outputs) = (stream(info.stdin), vec![stream(info.stdout), stream(info.stderr)]);
    let close = "{\"Operation\":\"CloseHandle\",\"CloseHandle\":{\"Handle\":\"StdIn\"}}";
    let done = || {
        // It may have ended by itself.
        drop(process.modify(hcs.operation().unwrap(), close).and_then(|close| close.finish(PATIENCE)));
    };
    let ended = Some(exits.as_handle());
    let said = collect(Some((input, &sent)), outputs, ended, Duration::from_secs(30), done).unwrap();
    let errors = String::from_utf8_lossy(&said[1]);
    assert!(said[0].windows(sent.len()).any(|part| part == sent), "{} bytes; {errors}", said[0].len());
}

/// What this program does in a container.
#[test]
fn copies_its_input() {
    if Path::new(r"C:\copier.exe").exists() {
        std::io::copy(&mut std::io::stdin(), &mut std::io::stdout()).unwrap();
    }
}

#[test]
fn networks_have_endpoints_and_namespaces() {
    let Some(from) = libraries() else { return };
    let hcn = Hcn::load(&from);
    let [network, endpoint, namespace] =
        [(); 3].map(|()| Guid::from_u128(u128::from_be_bytes(random::bytes().unwrap())));
    let name = format!("tests-{}", random::hex::<6>().unwrap());
    let second = random::bytes::<1>().unwrap()[0];
    let settings = format!(
        "{{\"Name\":\"{name}\",\"Type\":\"NAT\",\"SchemaVersion\":{{\"Major\":2,\"Minor\":0}},\
         \"Ipams\":[{{\"Type\":\"Static\",\"Subnets\":[{{\"IpAddressPrefix\":\"10.{second}.7.0/24\",\
         \"Routes\":[{{\"NextHop\":\"10.{second}.7.1\",\"DestinationPrefix\":\"0.0.0.0/0\"}}]}}]}}]}}"
    );
    let made = hcn.create(Kind::Network, network, &settings).unwrap();
    let query = format!(
        "{{\"SchemaVersion\":{{\"Major\":2,\"Minor\":0}},\"Filter\":\"{{\\\"Name\\\":\\\"{name}\\\"}}\"}}"
    );
    let found = hcn.enumerate(Kind::Network, &query).unwrap();
    assert!(found.to_lowercase().contains(&network.to_string()), "{found}");
    let version = "\"SchemaVersion\":{\"Major\":2,\"Minor\":0}";
    let card = made
        .create_endpoint(
            endpoint,
            &format!("{{\"Name\":\"{name}\",\"HostComputeNetwork\":\"{network}\",{version}}}"),
        )
        .unwrap();
    assert!(card.properties("").unwrap().contains("IpConfigurations"));
    assert!(card.endpoint_statistics("").unwrap().contains("\"BytesReceived\":0"));
    let room = hcn.create(Kind::Namespace, namespace, &format!("{{{version}}}")).unwrap();
    let change = |request: &str| {
        format!(
            "{{\"ResourceType\":\"Endpoint\",\"RequestType\":\"{request}\",\
             \"Settings\":{{\"EndpointId\":\"{endpoint}\"}}}}"
        )
    };
    room.modify(&change("Add")).unwrap();
    assert!(room.properties("").unwrap().to_lowercase().contains(&endpoint.to_string()));
    room.modify(&change("Remove")).unwrap();
    drop((card, room, made));
    hcn.delete(Kind::Endpoint, endpoint).unwrap();
    hcn.delete(Kind::Namespace, namespace).unwrap();
    hcn.delete(Kind::Network, network).unwrap();
    let gone = hcn.open(Kind::Endpoint, endpoint).unwrap_err();
    assert!(gone.is(Hresult(0x803B_0002)), "{gone}");
}

#[test]
fn a_disk_is_made_attached_and_detached() {
    let Some(from) = libraries() else { return };
    let virtdisk = Virtdisk::load(&from);
    let path = std::env::temp_dir().join(format!("containerv-{}.vhdx", random::hex::<6>().unwrap()));
    let disk = NewDisk { path: &path, size: 1 << 30, block_size: 1 << 20, parent: None };
    let made = virtdisk.create(&disk).unwrap();
    made.expand(2 << 30).unwrap();
    assert!(made.expand(1 << 30).is_err());
    drop(made);
    assert!(path.is_file());
    let again = virtdisk.create(&disk).unwrap_err();
    assert_eq!(again.code().and_then(Hresult::win32), Some(80), "{again}");
    drop(virtdisk.open(&path, false).unwrap());
    fs::remove_file(&path).unwrap();

    // The disk of a scratch that is not used otherwise.
    let layers = Layered::new(&from);
    layers.vmcompute.unprepare_layer(&layers.scratch).unwrap();
    layers.vmcompute.deactivate_layer(&layers.scratch).unwrap();
    let disk = virtdisk.open(&layers.scratch.join("sandbox.vhdx"), false).unwrap();
    assert!(disk.physical_path().is_err());
    disk.attach(Attachment { read_only: false, permanent: false }).unwrap();
    assert!(disk.physical_path().unwrap().to_str().unwrap().starts_with(r"\\.\PhysicalDrive"));
    let volume = Storage::load(&from).mount_path(disk.as_handle()).unwrap();
    assert!(volume.starts_with(r"\\?\Volume{") && volume.ends_with('}'), "{volume}");
    disk.expand(30 << 30).unwrap();
    let device = fs::OpenOptions::new().read(true).write(true).open(&volume).unwrap();
    containerv_sys::windows::volume::extend(device.as_handle()).unwrap();
    disk.detach().unwrap();
}
