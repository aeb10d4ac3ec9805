//! What is refused, and in which words.

use containerv_spec::seccomp::{Action, Comparison};

use super::super::{compile, parse};
use super::{USUAL, profile, rule, rule_if};
use crate::ErrorKind;

/// What parsing or compiling a document fails with.
fn refusal(document: &str) -> String {
    let result = parse(document.as_bytes()).and_then(|profile| compile(&profile, &USUAL));
    let error = result.expect_err(document);
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    match error.hint() {
        Some(hint) => format!("{error}\nhint: {hint}"),
        None => error.to_string(),
    }
}

fn with_rule(rule: &str) -> String {
    refusal(&format!(r#"{{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [{rule}]}}"#))
}

#[test]
fn wrong_documents_are_refused_with_the_place() {
    let mut messages = String::new();
    for document in [
        "",
        "{",
        "[]",
        "{}",
        r#"{"defaultAction": "SCMP_ACT_NOTIFY"}"#,
        "{\"defaultAction\": \"SCMP_ACT_ALLOW\",\n \"syscalls\": [{\"names\": [\"read\"]}]}",
        r#"{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": {}}"#,
        r#"{"defaultAction": "SCMP_ACT_ALLOW", "defaultAction": "SCMP_ACT_ALLOW"}"#,
        r#"{"defaultAction": "SCMP_ACT_ALLOW"} x"#,
    ] {
        messages += &format!("{document}\n{}\n\n", refusal(document));
    }
    insta::assert_snapshot!(messages);
}

#[test]
fn wrong_profiles_are_refused_with_everything_that_is_wrong() {
    let mut messages = String::new();
    for document in [
        r#"{"defaultAction": "SCMP_ACT_ALLOW", "defaultErrnoRet": 1}"#,
        r#"{"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 4096}"#,
        r#"{"defaultAction": "SCMP_ACT_ERRNO", "architectures": ["SCMP_ARCH_VAX"]}"#,
        r#"{"defaultAction": "SCMP_ACT_ERRNO", "architectures": ["SCMP_ARCH_X86"],
            "archMap": [{"architecture": "SCMP_ARCH_X86_64"}]}"#,
        r#"{"defaultAction": "SCMP_ACT_ERRNO", "flags": ["SECCOMP_FILTER_FLAG_NEW_LISTENER"]}"#,
        r#"{"defaultAction": "SCMP_ACT_ERRNO", "flags": ["x"], "syscalls": [
            {"names": ["read"], "name": "write", "action": "SCMP_ACT_ALLOW"},
            {"names": [], "action": "SCMP_ACT_ALLOW"},
            {"names": ["read"], "action": "SCMP_ACT_KILL", "errnoRet": 3}]}"#,
    ] {
        messages += &format!("{document}\n{}\n\n", refusal(document));
    }
    for rule in [
        r#"{"names": ["a"], "action": "SCMP_ACT_ALLOW", "args": [{"index": 6, "value": 0, "op": "SCMP_CMP_EQ"}]}"#,
        r#"{"names": ["a"], "action": "SCMP_ACT_ALLOW", "args": [{"index": 0, "value": 1, "op": "SCMP_CMP_NE"},
            {"index": 0, "value": 2, "op": "SCMP_CMP_NE"}]}"#,
        r#"{"names": ["a"], "action": "SCMP_ACT_ALLOW", "includes": {"arches": ["x86_64"]}}"#,
        r#"{"names": ["a"], "action": "SCMP_ACT_ALLOW", "includes": {"caps": ["CAP_EVERYTHING"]}}"#,
        r#"{"names": ["a"], "action": "SCMP_ACT_ALLOW", "excludes": {"minKernel": "new"}}"#,
    ] {
        messages += &format!("{rule}\n{}\n\n", with_rule(rule));
    }
    insta::assert_snapshot!(messages);
}

#[test]
fn documents_and_profiles_are_bounded() {
    let large = format!("{}{{}}", " ".repeat(1 << 20));
    assert!(refusal(&large).contains("has 1048578 bytes; at most 1048576 are read"));
    let deep = format!(r#"{{"defaultAction": "SCMP_ACT_ALLOW", "x": {}"#, "[".repeat(100_000));
    assert!(refusal(&deep).contains("EOF while parsing"));
    let deep = format!(r#"{{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": {}"#, "[".repeat(100_000));
    assert!(refusal(&deep).contains("invalid type: sequence"));
    let many = |count, names: &[&str]| {
        let profile = profile(Action::Errno, vec![rule(names, Action::Allow); count]);
        compile(&profile, &USUAL).map(|filter| filter.program.len()).map_err(|error| error.to_string())
    };
    assert!(many(4096, &["read"]).is_ok());
    assert!(many(4097, &["read"]).is_err_and(|text| text.contains("has 4097 rules")));
    assert!(many(20, &["read"; 1000]).is_err_and(|text| text.contains("names 20000 calls")));
}

#[test]
fn a_program_that_the_kernel_would_not_take_is_refused() {
    let conditions = |value| [(0, Comparison::Equal, value)];
    let rules = (0..4000).map(|value| rule_if("mmap", Action::Allow, &conditions(value << 20))).collect();
    let error = compile(&profile(Action::Errno, rules), &USUAL).unwrap_err();
    assert!(error.to_string().contains("more than 4096 instructions"), "{error}");
    assert!(error.hint().is_some());
}

#[test]
fn unknown_names_are_told_and_do_no_harm() {
    let rules = vec![rule(&["zzz", "read", "set_tls", "send", "set_tls"], Action::Allow)];
    let filter = compile(&profile(Action::Errno, rules), &USUAL).unwrap();
    assert_eq!(filter.unknown, ["set_tls", "zzz"]);
}

#[test]
fn a_profile_survives_its_json_form() {
    let profile = super::super::default_profile();
    let json = serde_json::to_vec(&profile).unwrap();
    assert_eq!(parse(&json).unwrap(), profile);
}
