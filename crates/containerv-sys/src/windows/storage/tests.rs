use super::*;
use crate::windows::signatures::compare;

#[test]
fn functions_are_as_in_the_metadata() {
    let unknown = compare!(Computestorage, windows_sys::Win32::System::HostComputeSystem;
        HcsAttachLayerStorageFilter(_, _);
        HcsDestroyLayer(_);
        HcsDetachLayerStorageFilter(_);
        HcsExportLayer(_, _, _, _);
        HcsExportLegacyWritableLayer(_, _, _, _);
        HcsFormatWritableLayerVhd(_);
        HcsGetLayerVhdMountPath(_, _);
        HcsImportLayer(_, _, _);
        HcsInitializeLegacyWritableLayer(_, _, _, _);
        HcsInitializeWritableLayer(_, _, _);
        HcsSetupBaseOSLayer(_, _, _);
        HcsSetupBaseOSVolume(_, _, _);
    );
    // Newer than the metadata.
    assert_eq!(unknown, ["HcsAttachOverlayFilter", "HcsDetachOverlayFilter"]);
}

#[test]
fn a_missing_library_is_told_by_each_function() {
    let storage = Storage::load(&Libraries::in_directory(std::env::temp_dir()).unwrap());
    assert!(!storage.is_loaded() && storage.missing().len() == Computestorage::EXPORTS.len());
    let error = storage.destroy_layer(Path::new(r"C:\layer")).unwrap_err();
    assert!(matches!(error, Error::Absent { function: "HcsDestroyLayer", unloaded: Some(_), .. }));
}
