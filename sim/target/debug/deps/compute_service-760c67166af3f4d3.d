/tmp/wt/winlayers/sim/target/debug/deps/compute_service-760c67166af3f4d3.d: service/src/main.rs service/src/answer.rs service/src/calls.rs service/src/container.rs service/src/container/commands.rs service/src/container/mapping.rs service/src/disks.rs service/src/documents.rs service/src/faults.rs service/src/group.rs service/src/layers.rs service/src/log.rs service/src/machine.rs service/src/modify.rs service/src/network/mod.rs service/src/network/address.rs service/src/network/endpoint.rs service/src/network/first.rs service/src/network/modify.rs service/src/network/policy.rs service/src/network/ports.rs service/src/network/watch.rs service/src/overlay.rs service/src/processes.rs service/src/properties.rs service/src/schema.rs service/src/server.rs service/src/streams.rs service/src/systems.rs service/src/transport.rs service/src/wire.rs service/src/world.rs service/src/../data/schema.json

/tmp/wt/winlayers/sim/target/debug/deps/libcompute_service-760c67166af3f4d3.rmeta: service/src/main.rs service/src/answer.rs service/src/calls.rs service/src/container.rs service/src/container/commands.rs service/src/container/mapping.rs service/src/disks.rs service/src/documents.rs service/src/faults.rs service/src/group.rs service/src/layers.rs service/src/log.rs service/src/machine.rs service/src/modify.rs service/src/network/mod.rs service/src/network/address.rs service/src/network/endpoint.rs service/src/network/first.rs service/src/network/modify.rs service/src/network/policy.rs service/src/network/ports.rs service/src/network/watch.rs service/src/overlay.rs service/src/processes.rs service/src/properties.rs service/src/schema.rs service/src/server.rs service/src/streams.rs service/src/systems.rs service/src/transport.rs service/src/wire.rs service/src/world.rs service/src/../data/schema.json

service/src/main.rs:
service/src/answer.rs:
service/src/calls.rs:
service/src/container.rs:
service/src/container/commands.rs:
service/src/container/mapping.rs:
service/src/disks.rs:
service/src/documents.rs:
service/src/faults.rs:
service/src/group.rs:
service/src/layers.rs:
service/src/log.rs:
service/src/machine.rs:
service/src/modify.rs:
service/src/network/mod.rs:
service/src/network/address.rs:
service/src/network/endpoint.rs:
service/src/network/first.rs:
service/src/network/modify.rs:
service/src/network/policy.rs:
service/src/network/ports.rs:
service/src/network/watch.rs:
service/src/overlay.rs:
service/src/processes.rs:
service/src/properties.rs:
service/src/schema.rs:
service/src/server.rs:
service/src/streams.rs:
service/src/systems.rs:
service/src/transport.rs:
service/src/wire.rs:
service/src/world.rs:
service/src/../data/schema.json:
