//! Fuzz targets: for each parser of the workspace a body that takes any bytes and holds the parser
//! to what it promises. `README.md` tells how they are run.

mod invariant;
mod machine;
mod scratch;

/// A body with its name.
pub struct Target {
    /// Name of the module, of the libFuzzer program and of the directory of seeds.
    pub name: &'static str,
    /// Panics where the parser does not do what it promises.
    pub run: fn(&[u8]),
}

macro_rules! targets {
    ($($name:ident,)*) => {
        $(pub mod $name;)*

        /// Every target.
        pub const TARGETS: &[Target] = &[$(Target { name: stringify!($name), run: $name::target },)*];
    };
}

targets! {
    archive,
    byte_size,
    c_arguments,
    capability,
    command_line,
    container_directory,
    control_groups,
    cpu_list,
    detach_keys,
    environment_file,
    fields,
    filters,
    frames,
    hcs_answers,
    image_archive,
    image_change,
    image_document,
    image_reference,
    layer,
    log_entry,
    moments,
    names,
    option_values,
    os_text,
    passwd,
    plan,
    proc_files,
    records,
    registry_challenge,
    registry_credentials,
    registry_hosts,
    request,
    seccomp,
    stage_program,
    subordinate_ids,
    template,
    values,
    windows_access,
    windows_entries,
    windows_exported,
    windows_files,
    windows_hive,
    windows_layer,
    windows_path,
}
