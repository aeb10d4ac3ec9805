/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/**
 * containerv: containers on Linux and Windows, from C and C++.
 *
 * The life of a container:
 *
 *     struct containerv_options*   options = containerv_options_new();
 *     struct containerv_container* container;
 *
 *     containerv_options_set_caps(options, CV_CAP_FILESYSTEM | CV_CAP_PROCESS_CONTROL | CV_CAP_IPC);
 *     if (containerv_create("/srv/rootfs", options, &container) == 0) {
 *         containerv_spawn(container, "/bin/make", NULL, NULL);
 *         containerv_destroy(container);
 *     }
 *     containerv_options_delete(options);
 *
 * Results and errors
 *   Functions that return `int` return 0 on success and -1 on failure, nothing else. `errno` is
 *   set on every -1 and keeps its value on success. On Windows that is the `errno` of every C
 *   library that the program has loaded (one that is linked into it, as by /MT, cannot be reached),
 *   and GetLastError() has the system's own number as well. With the environment variable CONTAINERV_DEBUG set to anything but the
 *   empty text, every failure is explained in one line on standard error.
 *
 *   Every function may fail with these, which its own list leaves out:
 *     EINVAL   an object that must be there is NULL, or is not alive: destroyed or deleted before,
 *              made by another process (objects do not survive fork()), or never made
 *     ENOMEM, EMFILE, ENFILE, ENOSPC, EAGAIN
 *              the system is out of something; only where malloc() would have to fail, the library
 *              ends the program as abort() does
 *
 * Texts
 *   On Linux they are bytes, as the kernel takes them. On Windows they are UTF-8, paths as well,
 *   whatever the program's code page is; another text is EINVAL.
 *
 * Ownership
 *   What a function takes stays the caller's and is only read during the call, unless its
 *   comment says otherwise. What a function returns says who releases it.
 *
 * Threads and processes
 *   Every function may be called from any thread at any time, for the same container as well; a
 *   call that waits holds up no other. No thread may be cancelled (pthread_cancel()) during a call.
 *   A signal handler may call a function only if the signal has met a thread that waits, in pause(),
 *   sigsuspend() or a containerv_spawn() with CV_SPAWN_WAIT: then containerv_destroy() works there
 *   as well. Elsewhere it may wait for ever for a lock that the interrupted thread has, as with
 *   malloc(). The library installs no signal handler and waits for no process that it did not
 *   start. Processes of a container are children of the process that made it: do not take their
 *   status from the library with wait() or waitpid(-1); if it happens all the same, it is harmless.
 *
 *   A container belongs to the process that made it, and ends with that process, however that ends.
 *   What is known of it is kept below /run/containerv, on Windows below containerv in the directory
 *   ProgramData, or below the directory that the environment variable CONTAINERV_ROOT names; a
 *   set-user-ID program does not look at that.
 *
 *   Where standard input, output or error of the calling process is closed, a call that returns
 *   `int` opens /dev/null in its place, until the next execve().
 *
 * Enumerations are sets of bits. In C++ they are combined with `|` as in C.
 */
#ifndef CHEF_CONTAINERV_H
#define CHEF_CONTAINERV_H

#if defined(WIN32) || defined(_WIN32) || defined(__WIN32__) || defined(__NT__)
#define CHEF_CONTAINERV_WINDOWS 1
#include <windows.h>
#elif defined(__linux__) || defined(__unix__)
#include <sys/types.h>
#else
#error "containerv runs on Linux and Windows"
#endif

#ifdef __cplusplus
extern "C" {
#endif

/** A process of a container. */
#ifdef CHEF_CONTAINERV_WINDOWS
/**
 * The library's handle of it, valid until containerv_kill() or containerv_destroy(). It is signaled
 * when the process has ended and its output has arrived, and GetExitCodeProcess() gives the exit code.
 * TerminateProcess() ends the process. The handle belongs to a process that stands for the one in the
 * container: nothing else can be learnt from it.
 */
typedef HANDLE process_handle_t;
#else
/** Its id inside the container. */
typedef pid_t process_handle_t;
#endif

/** Settings of a container to be made. From containerv_options_new() to containerv_options_delete(). */
struct containerv_options;

/** A container. From containerv_create() to containerv_destroy(). */
struct containerv_container;

/** A user of a container; Linux only, see <chef/containerv-user-linux.h>. */
struct containerv_user;

/**
 * What a container has apart from the host, for containerv_options_set_caps(). A container of Windows
 * has all of it in any case, but for the network; no bit is an error there.
 */
enum containerv_capabilities {
    /**
     * Network: on Linux only the loopback interface, and what containerv_options_set_network() adds. On
     * Windows no network at all; without the bit the network `nat`, by which the container reaches
     * whatever the host does.
     */
    CV_CAP_NETWORK = 0x1,
    /** Processes: the container sees its own only, numbered from 1. */
    CV_CAP_PROCESS_CONTROL = 0x2,
    /** System V and POSIX interprocess communication. */
    CV_CAP_IPC = 0x4,
    /** Mounts: /proc, /sys, /dev, an empty /tmp, and those of containerv_options_set_mounts(). */
    CV_CAP_FILESYSTEM = 0x8,
    /** Control groups, with the limits of containerv_options_set_cgroup_limits(). */
    CV_CAP_CGROUPS = 0x10,
    /** User and group ids, by containerv_options_set_users() and containerv_options_set_groups(). */
    CV_CAP_USERS = 0x20
};

/** How a mount is made; see struct containerv_mount. */
enum containerv_mount_flags {
    /** Show a file or directory of the host. */
    CV_MOUNT_BIND = 0x1,
    /** Take along what is mounted below it. */
    CV_MOUNT_RECURSIVE = 0x2,
    /** Refuse writes, below it as well. */
    CV_MOUNT_READONLY = 0x4,
    /**
     * Make a missing mount point in the root: directories only, with mode 0755; they stay. Windows needs
     * no mount points.
     */
    CV_MOUNT_CREATE = 0x100
};

/** How a process is started; see struct containerv_spawn_options. */
enum container_spawn_flags {
    /** Return when the process has ended. */
    CV_SPAWN_WAIT = 0x1
};

/** A mount in a container. Fields that are zero have the meaning given here. */
struct containerv_mount {
    /**
     * What is mounted. Of a bind: a path on the host, relative to the working directory unless it
     * is absolute. Otherwise a word without meaning, or NULL. On Windows also a named pipe,
     * `\\.\pipe\NAME`, which `where` then names too.
     */
    char* what;
    /**
     * Where: an absolute path in the container. A path with `..` is refused, and on Linux one that
     * meets a symbolic link which leaves the root or is absolute. On Windows the drive may be left out.
     */
    char* where;
    /** Kernel name of the file system type, such as "tmpfs"; Linux only. NULL for a bind. */
    char* fstype;
    /** Any of enum containerv_mount_flags. */
    enum containerv_mount_flags flags;
};

/** How a process is started. Fields that are zero have the meaning given here. */
struct containerv_spawn_options {
    /**
     * Arguments in one text, without the program's own name. On Linux blanks part them; between
     * double quotes they do not. An unclosed quote runs to the end. Nothing else is special: there
     * are no escapes, and single quotes, tabs and newlines stand for themselves. On Windows the
     * text is passed on as it is. NULL: none.
     */
    const char* arguments;
    /**
     * The whole environment: texts NAME=value, the last one NULL. The caller's own is never added.
     * NULL: an empty one. On Windows the container's own variables are there as well, in any case.
     */
    const char* const* environment;
    /** Who runs the process. NULL: root on Linux, the image's user on Windows. Ignored on Windows. */
    struct containerv_user* as_user;
    /** Any of enum container_spawn_flags. */
    enum container_spawn_flags flags;
};

/* ---- Options: none of these functions fails or changes errno ------------------------------- */

/**
 * Returns new options: no capabilities, no mounts.
 *
 * The caller releases them with containerv_options_delete().
 */
struct containerv_options* containerv_options_new(void);

/**
 * Releases options. A container that was made with them keeps nothing of them, so this may come
 * right after containerv_create(). The array given to containerv_options_set_mounts() is not
 * released. NULL, and options that are not alive, are left alone.
 */
void containerv_options_delete(struct containerv_options* options);

/**
 * Chooses what the container has apart from the host, in place of an earlier choice.
 *
 * `caps` is any of enum containerv_capabilities; bits that have no name are ignored.
 */
void containerv_options_set_caps(struct containerv_options* options, enum containerv_capabilities caps);

/**
 * Chooses the mounts, in place of an earlier choice. On Linux they need CV_CAP_FILESYSTEM.
 *
 * `mounts` is an array of `count`, in the order in which the mounts are made. It is kept by
 * address: the array and its texts must stay valid and unchanged until containerv_create() has
 * returned. They stay the caller's.
 */
void containerv_options_set_mounts(struct containerv_options* options, struct containerv_mount* mounts, int count);

#ifndef CHEF_CONTAINERV_WINDOWS
/**
 * Maps `count` user ids of the host, from `hostUidStart` on, to ids in the container, from
 * `childUidStart` on. 0 in the container must be among them. Needs CV_CAP_USERS; with that and
 * without a range, the caller's own id is 0 in the container and no other id exists.
 */
void containerv_options_set_users(struct containerv_options* options, uid_t hostUidStart, uid_t childUidStart, int count);

/** The same for group ids. */
void containerv_options_set_groups(struct containerv_options* options, gid_t hostGidStart, gid_t childGidStart, int count);

/**
 * Limits what all processes of the container use together. Needs CV_CAP_CGROUPS, with which the
 * defaults hold even if this function is not called.
 *
 *   memory_max  bytes with an optional unit K, M, G or T (powers of 1024), or "max"; NULL: "1G"
 *   cpu_weight  share of the CPUs under contention, "1" to "10000"; NULL: "100", the usual share
 *   pids_max    processes and threads, or "max"; NULL: "256"
 *
 * The texts are copied.
 */
void containerv_options_set_cgroup_limits(struct containerv_options* options, const char* memory_max,
                                          const char* cpu_weight, const char* pids_max);

/**
 * Connects the container with the host by a pair of interfaces. Needs CV_CAP_NETWORK and root.
 *
 * All three are IPv4 in dotted decimal: the container's address, the network mask of both ends,
 * and the host's address. The host's interface is named `veth` and the first eleven digits of the
 * id (names have 15 characters at most), the container's `veth`, the last four digits of the id,
 * and `c`. The texts are copied. NULL for all three takes an earlier choice back.
 */
void containerv_options_set_network(struct containerv_options* options, const char* container_ip,
                                    const char* container_netmask, const char* host_ip);
#endif

/* ---- Containers ---------------------------------------------------------------------------- */

/**
 * Makes a container and starts it. No program runs in it yet; containerv_spawn() starts them.
 *
 * `rootFs` is the directory that becomes the container's root. On Linux it is used in place: what
 * processes write stays, two containers may share it, and mount points that are missing (/proc,
 * /sys, /dev, /tmp) are made in it.
 *
 * On Windows a container's drive C: is a stack of layers with Windows in the lowest one. A directory
 * with a folder `Files` is such a layer, on those that its layerchain.json names; what processes write
 * is gone with the container. Any other directory is laid over a base layer, which its layerchain.json
 * names, or the environment variable CONTAINERV_BASE. Each of its entries is found in place under the
 * same name at the root of C:: what processes write there stays, and
 * two containers may share it; what they write elsewhere is gone with the container.
 *
 * `options` may be NULL, which is the same as new ones. On success `*containerOut` is the container,
 * which the caller releases with containerv_destroy(); on failure it is untouched and nothing is
 * left behind.
 *
 * The container's host name is `containerv-host`. Without CV_CAP_FILESYSTEM a container of Linux has
 * the directory as its root but no mounts of its own, and the host's stay as they are.
 *
 * Errors:
 *   EINVAL   `rootFs` or `containerOut` is NULL; an option has a value that it cannot have, or was
 *            given without the capability that it needs
 *   ENOENT   `rootFs`, the source of a mount, or a mount point without CV_MOUNT_CREATE is missing
 *   ENOTDIR  `rootFs` is not a directory
 *   EPERM, EACCES
 *            the caller may not do this: most of it needs root
 *   EXDEV, ELOOP
 *            a mount point leads out of the root
 *   ENOTSUP  this machine cannot do what is asked for, such as a limit without its controller, or
 *            on Windows: no base layer is named, or the directory cannot be a root there
 */
int containerv_create(const char* rootFs, struct containerv_options* options, struct containerv_container** containerOut);

/**
 * Starts a program in a container, as often as wanted and at the same time.
 *
 * `path` is the program in the container, absolute or relative to its root; it is not searched
 * for. It is also the program's own name (argv[0]). On Windows the drive may be left out, and the path
 * is put in quotes if it has blanks. `options` may be NULL: no arguments, empty environment, root. The
 * working directory is the container's root. Standard input, output and error are those of the
 * calling process; no other descriptor of it is passed on.
 *
 * On success `*pidOut`, if `pidOut` is not NULL, names the process for containerv_kill(); on
 * failure it is untouched. On Linux another process of the container gets the same number only
 * when the kernel has gone through all others: 32,768 at least.
 *
 * With CV_SPAWN_WAIT the call returns when the process has ended; other calls go on meanwhile.
 * A program that could be started is a success, whatever it ends with.
 *
 * Errors:
 *   EINVAL   `path` is NULL or empty, or an environment entry is not NAME=value
 *   ENOENT   there is no such program in the container
 *   EACCES   it may not be executed
 *   ENOEXEC  it is not a program of this machine
 *   E2BIG    arguments and environment are too large
 *   ESRCH, ENOENT
 *            the container has ended
 */
int containerv_spawn(struct containerv_container* container, const char* path,
                     struct containerv_spawn_options* options, process_handle_t* pidOut);

/**
 * Asks a process to end: SIGTERM on Linux; on Windows the process is ended at once.
 *
 * `pid` comes from containerv_spawn() and is spent by this call, even if the process goes on; on
 * Windows the handle is closed.
 *
 * Errors:
 *   ESRCH    the process has ended, was asked before, or did not come from containerv_spawn()
 */
int containerv_kill(struct containerv_container* container, process_handle_t pid);

/**
 * Copies files of the host into a container; `count` pairs, source first.
 *
 * `containerPaths[i]` is relative to the container's root, with or without a slash in front; `..`
 * and symbolic links never lead out of it. `hostPaths[i]` is relative to the working directory
 * unless it is absolute. Only regular files are copied. Whatever is there under the name,
 * but for a directory, is replaced; directories are not made. The permission bits are those of the
 * source less the caller's umask, and the owner is the container's root; on Windows both follow from
 * the directory.
 *
 * One bad pair does not stop the others. -1 if any failed, with the errno of the first.
 *
 * Errors:
 *   EINVAL   `count` is negative, an array or one of its texts is NULL, or a source is not a
 *            regular file
 *   EISDIR   a target is a directory
 *   and what open(), read() and write() give
 */
int containerv_upload(struct containerv_container* container, const char* const* hostPaths,
                      const char* const* containerPaths, int count);

/**
 * Copies files of a container to the host; `count` pairs, source first.
 *
 * As containerv_upload(), the other way round; the owner is the caller.
 */
int containerv_download(struct containerv_container* container, const char* const* containerPaths,
                        const char* const* hostPaths, int count);

/**
 * Ends a container and releases it: its processes get SIGTERM, half a second to comply, and SIGKILL;
 * on Windows they are ended at once.
 *
 * Nothing is left: no process, mount, interface, control group or file of the library's. The root
 * directory stays, with what was written to it. Calls for this container that wait in other
 * threads return. A second call for the same container is -1 with EINVAL.
 *
 * After another failure the container is still alive and the call may be repeated.
 *
 * Errors:
 *   EBUSY    something of the container cannot be removed
 */
int containerv_destroy(struct containerv_container* container);

/**
 * Makes the calling process a member of a container, which any process of the machine may have
 * made; it is meant to execute a program next.
 *
 * `containerId` is what containerv_id() gave, or any unique prefix of the whole id. The process
 * enters the container's namespaces and control groups; root and working directory become the
 * container's root; its privileges become those that programs of the container have, with the same
 * system call filter. In a container with CV_CAP_USERS it becomes the user and group 0; otherwise its
 * ids and supplementary groups stay as they are. The process itself keeps its process id: its
 * children are the first to be in the container's process namespace. All or nothing.
 *
 * Errors:
 *   ENOENT   there is no such container
 *   ESRCH    the container has ended
 *   EINVAL   `containerId` is NULL or the beginning of several ids, or the process has more than
 *            one thread
 *   EPERM, EACCES
 *            the caller may not do this: it needs root
 *   ENOSYS   always, on Windows: a process cannot be moved into a container there
 */
int containerv_join(const char* containerId);

/**
 * Returns the container's id: twelve hexadecimal digits, unique on this machine.
 *
 * The text belongs to the library and is valid until containerv_destroy(). NULL, with `errno`
 * EINVAL, for NULL and for a container that is not alive.
 */
const char* containerv_id(struct containerv_container* container);

#ifdef __cplusplus
} /* extern "C" */

/*
 * In C the bits of an enumeration combine to a value of its type; C++ needs to be told. An operator
 * of the program's own goes first, and the whole header may be included in an extern "C" block.
 */
extern "C++" {
template <typename Bits> struct containerv_bits;
template <> struct containerv_bits<enum containerv_capabilities> { typedef enum containerv_capabilities type; };
template <> struct containerv_bits<enum containerv_mount_flags> { typedef enum containerv_mount_flags type; };
template <> struct containerv_bits<enum container_spawn_flags> { typedef enum container_spawn_flags type; };

template <typename Bits> constexpr typename containerv_bits<Bits>::type operator|(Bits a, Bits b)
{
    return static_cast<Bits>(static_cast<unsigned>(a) | static_cast<unsigned>(b));
}
}
#endif

#undef CHEF_CONTAINERV_WINDOWS

#endif /* CHEF_CONTAINERV_H */
