//! Reports of crashed systems, as attributes of an event.

use containerv_spec::hcs::result::CrashReport;

/// A bug check and its four parameters.
const MAX_PARAMETERS: usize = 5;
/// Most bytes of a guest's own log. The last ones say most.
const MAX_LOG: usize = 4 << 10;
/// Most bytes of a path.
const MAX_PATH: usize = 1 << 10;

/// What is told of a crash. The report is as the guest says, so that every part is bounded.
pub(super) fn attributes(report: &CrashReport) -> Vec<(&'static str, String)> {
    let mut attributes = Vec::new();
    if !report.crash_parameters.is_empty() {
        let parameters = report.crash_parameters.iter().take(MAX_PARAMETERS);
        let parameters: Vec<String> = parameters.map(|parameter| format!("{parameter:#x}")).collect();
        attributes.push(("crashParameters", parameters.join(",")));
    }
    if let Some(status) = report.status {
        attributes.push(("crashStatus", format!("0x{:08X}", status.cast_unsigned())));
    }
    if let Some(log) = report.crash_log.as_deref().filter(|log| !log.is_empty()) {
        let begin = log.ceil_char_boundary(log.len().saturating_sub(MAX_LOG));
        attributes.push(("crashLog", log[begin..].to_owned()));
    }
    let dump = report.windows_crash_info.as_ref().and_then(|info| info.dump_file.as_deref());
    if let Some(file) = dump.filter(|file| !file.is_empty() && file.len() <= MAX_PATH) {
        attributes.push(("dumpFile", file.to_owned()));
    }
    attributes
}

#[cfg(test)]
mod tests {
    use containerv_spec::hcs::result::WindowsCrashReport;

    use super::*;

    #[test]
    fn a_report_becomes_attributes() {
        let report = CrashReport {
            crash_parameters: vec![0xEF, 1, u64::MAX, 0, 0, 7],
            status: Some(0x8037_011C_u32.cast_signed()),
            crash_log: Some("panic".to_owned()),
            windows_crash_info: Some(WindowsCrashReport {
                dump_file: Some(r"C:\crash.dmp".to_owned()),
                ..WindowsCrashReport::default()
            }),
            ..CrashReport::default()
        };
        let expected = [
            ("crashParameters", "0xef,0x1,0xffffffffffffffff,0x0,0x0"),
            ("crashStatus", "0x8037011C"),
            ("crashLog", "panic"),
            ("dumpFile", r"C:\crash.dmp"),
        ];
        assert_eq!(attributes(&report), expected.map(|(name, value)| (name, value.to_owned())));
        assert_eq!(attributes(&CrashReport::default()), []);
    }

    #[test]
    fn whatever_a_guest_says_is_bounded() {
        let long = "é".repeat(1 << 20);
        let report = CrashReport {
            crash_parameters: vec![1; 1 << 16],
            crash_log: Some(long.clone() + "!"),
            windows_crash_info: Some(WindowsCrashReport { dump_file: Some(long), ..Default::default() }),
            ..CrashReport::default()
        };
        let attributes = attributes(&report);
        let bytes: usize = attributes.iter().map(|(_, value)| value.len()).sum();
        assert!(bytes <= MAX_LOG + MAX_PATH && attributes[1].1.ends_with("é!"), "{bytes}");
    }
}
