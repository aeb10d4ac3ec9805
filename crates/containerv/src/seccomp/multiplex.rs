//! The i386 calls `socketcall` and `ipc`, behind which others hide; see `linux/net.h` and `linux/ipc.h`.

/// A call that selects another one by its first argument.
pub(super) struct Multiplexer {
    /// Name of the call.
    pub(super) name: &'static str,
    /// Bits of the first argument that select. The kernel reads `ipc`'s upper 16 bits as a version.
    pub(super) mask: u32,
    /// Selected calls by number.
    pub(super) members: &'static [(u32, &'static str)],
}

/// Both multiplexers of the i386 table.
pub(super) const MULTIPLEXERS: &[Multiplexer] = &[
    Multiplexer {
        name: "socketcall",
        mask: u32::MAX,
        members: &[
            (1, "socket"),
            (2, "bind"),
            (3, "connect"),
            (4, "listen"),
            (5, "accept"),
            (6, "getsockname"),
            (7, "getpeername"),
            (8, "socketpair"),
            (9, "send"),
            (10, "recv"),
            (11, "sendto"),
            (12, "recvfrom"),
            (13, "shutdown"),
            (14, "setsockopt"),
            (15, "getsockopt"),
            (16, "sendmsg"),
            (17, "recvmsg"),
            (18, "accept4"),
            (19, "recvmmsg"),
            (20, "sendmmsg"),
        ],
    },
    Multiplexer {
        name: "ipc",
        mask: 0xffff,
        members: &[
            (1, "semop"),
            (2, "semget"),
            (3, "semctl"),
            (4, "semtimedop"),
            (11, "msgsnd"),
            (12, "msgrcv"),
            (13, "msgget"),
            (14, "msgctl"),
            (21, "shmat"),
            (22, "shmdt"),
            (23, "shmget"),
            (24, "shmctl"),
        ],
    },
];

/// Says whether `name` is reached through a multiplexer; `send` and `recv` are in no other way.
pub(super) fn is_member(name: &str) -> bool {
    MULTIPLEXERS.iter().any(|multiplexer| multiplexer.members.iter().any(|member| member.1 == name))
}
