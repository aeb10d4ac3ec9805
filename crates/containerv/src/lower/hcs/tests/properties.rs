//! Properties of every plan.

use containerv_spec::hcs::machine::{Product, WindowsMachine};
use containerv_spec::plan::hcs::Call;
use containerv_spec::request::{Isolation, NamedNetwork, Network, Request};
use containerv_spec::{Bound, ByteSize};
use proptest::prelude::*;

use super::super::{Places, lower};
use super::{bind, documents, pipe, port, process, request, schema, server};

prop_compose! {
    fn requests()(
        isolation in prop_oneof![Just(Isolation::Default), Just(Isolation::Process), Just(Isolation::Vm)],
        network in prop_oneof![
            Just(Network::None),
            "[a-z]{1,4}|nat|lan|bridge".prop_map(|name| Network::Named(NamedNetwork::new(name))),
        ],
        ports in proptest::collection::vec((1..=3u16, 0..=2u16), 0..3),
        memory in proptest::option::of(0..=1_u64 << 40),
        count in proptest::option::of(0..=6u32),
        quota in proptest::option::of(0..=600_000u64),
        target in r"(C:\\)?[a-zA-Z~. :/\\]{0,8}",
        source in r"(C:\\)?[a-zA-Z. :/\\\n]{0,8}",
        name in r"(\\\\\.\\pipe\\)?[a-z\\]{0,4}",
        words in proptest::collection::vec(r#"[a-z "\\\PC]{0,6}"#, 0..4),
        environment in proptest::collection::vec("[aA=b${}]{0,6}", 0..3),
        hostname in proptest::option::of("[a-z0-9-]{0,17}"),
    ) -> Request {
        let mut request = request();
        (request.isolation, request.network, request.hostname) = (isolation, network, hostname);
        request.ports = ports.into_iter().map(|(host, container)| port(host, container)).collect();
        request.limits.memory = memory.map(|bytes| Bound::At(ByteSize::bytes(bytes)));
        request.limits.cpu_count = count;
        request.limits.cpu_quota = quota.map(Bound::At);
        request.mounts = vec![bind(&source, &target, true), pipe(&name, r"\\.\pipe\x")];
        request.mounts.truncate(usize::from(!source.is_empty()) + usize::from(!name.is_empty()));
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let mut process = process(&words);
        process.env = environment.into_iter().map(Into::into).collect();
        request.process = Some(process);
        request
    }
}

prop_compose! {
    fn machines()(
        build in prop_oneof![Just(17763u32), Just(20348), Just(22631), Just(26100)],
        client in any::<bool>(),
        hyperv in any::<bool>(),
        processors in 0..8u32,
    ) -> WindowsMachine {
        let product = if client { Product::Client } else { Product::Server };
        WindowsMachine { build, product, hyperv, processors, ..server() }
    }
}

proptest! {
    /// A request becomes a plan whose documents are of the schema, or problems of which each says what to do.
    #[test]
    fn a_request_is_lowered_or_refused_with_reasons(request in requests(), machine in machines()) {
        let places = Places::below(r"C:\state", &request.id);
        let result = lower(&request, &machine, &places);
        let again = lower(&request, &machine, &places);
        match (result, again) {
            (Ok(plan), Ok(again)) => {
                prop_assert_eq!(&plan, &again);
                let schema = schema::Schema::load();
                for step in &plan.steps {
                    for (kind, document) in documents(&step.call) {
                        prop_assert_eq!(schema.check(kind, &document), Ok(()));
                    }
                    let is_system = matches!(step.call, Call::CreateSystem { .. } | Call::CreateSystemV1 { .. });
                    prop_assert!(!is_system || step.undo.len() == 2);
                }
                let text = plan.to_string();
                prop_assert!(!text.chars().any(|c| c.is_control() && c != '\n'));
            }
            (Err(error), Err(_)) => {
                prop_assert!(!error.all_problems().is_empty());
                for problem in error.all_problems() {
                    prop_assert!(problem.hint().is_some_and(|hint| !hint.is_empty()), "{}", problem);
                }
            }
            _ => prop_assert!(false, "lowered differently the second time"),
        }
    }
}
