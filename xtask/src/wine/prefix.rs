//! Prefixes: directories that are a Windows installation to Wine.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{SERVER, WINE};
use crate::command;
use crate::failure::{Failure, Result};
use crate::workspace;

/// What the installations say they are: Windows Server 2022 with the features `Containers` and `Hyper-V`,
/// whose services are there. The compute and the network service start on demand, as on Windows, and are the
/// stand-ins' in truth; harmless programs of Wine's run as the two that tell of Hyper-V.
const VERSION: &str = r#"REGEDIT4

[HKEY_LOCAL_MACHINE\Software\Microsoft\Windows NT\CurrentVersion]
"CurrentVersion"="10.0"
"CurrentBuild"="20348"
"CurrentBuildNumber"="20348"
"CurrentMajorVersionNumber"=dword:0000000a
"CurrentMinorVersionNumber"=dword:00000000
"UBR"=dword:000009df
"ProductName"="Windows Server 2022 Datacenter"

[HKEY_LOCAL_MACHINE\System\CurrentControlSet\Control\ProductOptions]
"ProductType"="ServerNT"

[HKEY_LOCAL_MACHINE\System\CurrentControlSet\Services\vmcompute]
"DisplayName"="Hyper-V Host Compute Service"
"ImagePath"="C:\\windows\\system32\\vmcompute.exe"
"ObjectName"="LocalSystem"
"ErrorControl"=dword:00000001
"Start"=dword:00000003
"Type"=dword:00000010

[HKEY_LOCAL_MACHINE\System\CurrentControlSet\Services\hns]
"DisplayName"="Host Network Service"
"ImagePath"="C:\\windows\\system32\\svchost.exe -k NetSvcs -p"
"ObjectName"="LocalSystem"
"ErrorControl"=dword:00000001
"Start"=dword:00000003
"Type"=dword:00000020

[HKEY_LOCAL_MACHINE\System\CurrentControlSet\Services\vmms]
"DisplayName"="Hyper-V Virtual Machine Management"
"ImagePath"="C:\\windows\\system32\\spoolsv.exe"
"ObjectName"="LocalSystem"
"ErrorControl"=dword:00000001
"Start"=dword:00000002
"Type"=dword:00000010

[HKEY_LOCAL_MACHINE\System\CurrentControlSet\Services\hvservice]
"DisplayName"="Hypervisor/Virtual Machine Support Driver"
"ImagePath"="C:\\windows\\system32\\drivers\\ksecdd.sys"
"ObjectName"="LocalSystem"
"Group"="System Bus Extender"
"ErrorControl"=dword:00000001
"Start"=dword:00000002
"Type"=dword:00000001
"#;

/// What a change of this program's makes of older templates: rubbish.
const RECIPE: &str = "1";

/// A command with the environment that every program of Wine's gets.
pub(super) fn wine_command(program: &str, prefix: &Path) -> Command {
    let mut command = Command::new(program);
    surroundings(&mut command, prefix);
    command
}

/// Nothing of a person's home, no desktop, no questions.
pub(super) fn surroundings(command: &mut Command, prefix: &Path) {
    command
        .env("WINEPREFIX", prefix)
        .env("WINEDEBUG", "-all")
        .env("WINEDLLOVERRIDES", "winemenubuilder.exe=d;mscoree=d;mshtml=d")
        .env("HOME", directory().join("home"))
        .env_remove("DISPLAY")
        .env_remove("WAYLAND_DISPLAY")
        .env_remove("XDG_RUNTIME_DIR");
}

/// Where everything of the Windows side is.
pub(super) fn directory() -> PathBuf {
    workspace::target().join("windows")
}

/// A pristine installation. Nothing runs in it: it is what others are made from.
pub(crate) fn template() -> Result<PathBuf> {
    let template = directory().join("template");
    let stamp = template.join("recipe");
    let recipe = recipe()?;
    if fs::read_to_string(&stamp).is_ok_and(|text| text == recipe) {
        return Ok(template);
    }
    remove(&template)?;
    workspace::make_directory(&directory().join("home"))?;
    let version = directory().join("version.reg");
    workspace::write(&version, VERSION)?;
    println!("making a Windows installation for Wine in {}", template.display());
    run_quiet(wine_command(WINE, &template).args(["wineboot", "--init"]))?;
    run_quiet(wine_command(WINE, &template).args(["regedit", "/S"]).arg(&version))?;
    stop(&template)?;
    workspace::write(&stamp, recipe)?;
    Ok(template)
}

/// Changes with Wine's version and with what this program does.
fn recipe() -> Result<String> {
    let version = command::output(Command::new(WINE).arg("--version"))?;
    Ok(format!("{RECIPE} {}\n{VERSION}", version.trim()))
}

/// A copy to run programs in, with hard links for its files.
pub(super) fn copy(template: &Path, prefix: &Path) -> Result<()> {
    command::output(Command::new("cp").arg("-al").arg(template).arg(prefix))?;
    // Wine writes a registry file that has several links in place, and so into all its copies.
    for path in workspace::entries(prefix).iter().filter(|path| path.is_file()) {
        let text = fs::read(path).map_err(|error| Failure::io(path.display(), &error))?;
        fs::remove_file(path).map_err(|error| Failure::io(path.display(), &error))?;
        workspace::write(path, text)?;
    }
    Ok(())
}

/// Ends every program of the prefix, and returns when they are gone.
pub(super) fn stop(prefix: &Path) -> Result<()> {
    // Fails when there is no server, which is as good.
    let _ = server(prefix, "-k").status();
    let status = server(prefix, "-w").status();
    status.map(drop).map_err(|error| Failure::io("starting Wine's server", &error))
}

pub(super) fn server(prefix: &Path, option: &str) -> Command {
    let mut command = wine_command(SERVER, prefix);
    command.arg(option).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// Runs a command whose children may live on, and so must not have a pipe of ours.
pub(super) fn run_quiet(command: &mut Command) -> Result<()> {
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    let status = status.map_err(|error| Failure::io(format!("`{}`", command::shown(command)), &error))?;
    if status.success() {
        return Ok(());
    }
    Err(Failure::new(format!("`{}`: {status}", command::shown(command))))
}

pub(super) fn remove(directory: &Path) -> Result<()> {
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Failure::io(format!("removing `{}`", directory.display()), &error))
        }
        _ => Ok(()),
    }
}
