/*
 * The floor: what the kernel alone costs for a container, with nothing around it.
 *
 *   floor [-u] ROOT COMMAND..
 *
 * New pid, mount, uts, ipc and network namespaces, `lo` up, ROOT as the root with /proc, /dev (a
 * tmpfs with the usual nodes, devpts, shm, mqueue) and /sys, masked and read-only kernel paths, few
 * capabilities, no new privileges, a small seccomp filter (not with -u); then COMMAND, and its end is waited for.
 * No control group, no state, no configuration, and no care for hostile roots: a program to measure
 * against and not one to use.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <net/if.h>
#include <sched.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))
#define CHECK(call) ((call) < 0 ? fail(#call) : (void)0)

static void fail(const char* what)
{
    fprintf(stderr, "floor: %s: %s\n", what, strerror(errno));
    _exit(125);
}

struct node {
    const char* path;
    unsigned int major, minor;
};

static const struct node nodes[] = {
    {"dev/null", 1, 3}, {"dev/zero", 1, 5}, {"dev/full", 1, 7}, {"dev/random", 1, 8}, {"dev/urandom", 1, 9}, {"dev/tty", 5, 0},
};

static const char* const links[][2] = {
    {"/proc/self/fd", "dev/fd"},       {"/proc/self/fd/0", "dev/stdin"}, {"/proc/self/fd/1", "dev/stdout"},
    {"/proc/self/fd/2", "dev/stderr"}, {"pts/ptmx", "dev/ptmx"},
};

static const char* const masked_directories[] = {"proc/acpi", "proc/asound", "proc/scsi", "sys/firmware"};

static const char* const masked_files[] = {
    "proc/kcore", "proc/keys", "proc/latency_stats", "proc/timer_list", "proc/timer_stats", "proc/sched_debug",
};

static const char* const read_only[] = {"proc/bus", "proc/fs", "proc/irq", "proc/sys", "proc/sysrq-trigger"};

/* What a container of root usually keeps. */
static const int kept[] = {
    CAP_CHOWN,  CAP_DAC_OVERRIDE, CAP_FSETID,  CAP_FOWNER,           CAP_NET_RAW,    CAP_SETGID,     CAP_SETUID,
    CAP_SETFCAP, CAP_SETPCAP,     CAP_NET_BIND_SERVICE, CAP_SYS_CHROOT, CAP_KILL, CAP_AUDIT_WRITE,
};

static void loopback_up(void)
{
    struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP};
    int socket_fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    CHECK(socket_fd);
    CHECK(ioctl(socket_fd, SIOCSIFFLAGS, &request));
    close(socket_fd);
}

static void make_devices(void)
{
    const unsigned long flags = MS_NOSUID | MS_NOEXEC;

    CHECK(mount("tmpfs", "dev", "tmpfs", MS_NOSUID, "mode=755,size=64k"));
    CHECK(mkdir("dev/pts", 0755));
    CHECK(mkdir("dev/shm", 01777));
    CHECK(mkdir("dev/mqueue", 01777));
    CHECK(mount("devpts", "dev/pts", "devpts", flags, "newinstance,ptmxmode=0666,mode=0620"));
    CHECK(mount("shm", "dev/shm", "tmpfs", flags | MS_NODEV, "mode=1777,size=64m"));
    CHECK(mount("mqueue", "dev/mqueue", "mqueue", flags | MS_NODEV, NULL));
    for (size_t i = 0; i < LENGTH(nodes); i++)
        CHECK(mknod(nodes[i].path, S_IFCHR | 0666, makedev(nodes[i].major, nodes[i].minor)));
    for (size_t i = 0; i < LENGTH(links); i++)
        CHECK(symlink(links[i][0], links[i][1]));
}

/* One empty tmpfs, cloned onto each masked directory: the cheapest way there is. */
static void mask(void)
{
    int filesystem, empty, copy;

    filesystem = syscall(SYS_fsopen, "tmpfs", 1);
    CHECK(filesystem);
    CHECK(syscall(SYS_fsconfig, filesystem, 6 /* FSCONFIG_CMD_CREATE */, NULL, NULL, 0));
    empty = syscall(SYS_fsmount, filesystem, 1, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
    CHECK(empty);
    close(filesystem);
    for (size_t i = 0; i < LENGTH(masked_directories); i++) {
        copy = syscall(SYS_open_tree, empty, "", 1 /* OPEN_TREE_CLONE */ | AT_EMPTY_PATH);
        CHECK(copy);
        if (syscall(SYS_move_mount, copy, "", AT_FDCWD, masked_directories[i], 4 /* F_EMPTY_PATH */) && errno != ENOENT)
            fail(masked_directories[i]);
        close(copy);
    }
    close(empty);
    for (size_t i = 0; i < LENGTH(masked_files); i++)
        if (mount("dev/null", masked_files[i], NULL, MS_BIND, NULL) && errno != ENOENT)
            fail(masked_files[i]);
}

static void protect(void)
{
    struct mount_attr attributes = {.attr_set = MOUNT_ATTR_RDONLY};

    for (size_t i = 0; i < LENGTH(read_only); i++) {
        int tree = syscall(SYS_open_tree, AT_FDCWD, read_only[i], 1 | AT_RECURSIVE);

        if (tree < 0 && errno == ENOENT)
            continue;
        CHECK(tree);
        CHECK(syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &attributes, sizeof(attributes)));
        CHECK(syscall(SYS_move_mount, tree, "", AT_FDCWD, read_only[i], 4));
        close(tree);
    }
}

static void enter_root(const char* root)
{
    CHECK(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
    CHECK(mount(root, root, NULL, MS_BIND | MS_REC, NULL));
    CHECK(chdir(root));
    CHECK(mount("proc", "proc", "proc", MS_NOSUID | MS_NOEXEC | MS_NODEV, NULL));
    make_devices();
    CHECK(mount("sysfs", "sys", "sysfs", MS_NOSUID | MS_NOEXEC | MS_NODEV | MS_RDONLY, NULL));
    mask();
    protect();
    CHECK(syscall(SYS_pivot_root, ".", "."));
    CHECK(umount2(".", MNT_DETACH));
    CHECK(chdir("/"));
}

static void drop_capabilities(void)
{
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct data[2] = {{0, 0, 0}, {0, 0, 0}};

    for (size_t i = 0; i < LENGTH(kept); i++)
        data[kept[i] / 32].permitted |= 1U << (kept[i] % 32);
    for (int capability = 0; capability <= CAP_LAST_CAP; capability++)
        if (!(data[capability / 32].permitted & (1U << (capability % 32))))
            CHECK(prctl(PR_CAPBSET_DROP, capability, 0, 0, 0));
    data[0].effective = data[0].permitted;
    data[1].effective = data[1].permitted;
    CHECK(syscall(SYS_capset, &header, data));
}

static void filter(void)
{
    struct sock_filter program[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 0, 5),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mount, 3, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_kexec_load, 2, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_keyctl, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
    };
    struct sock_fprog filter_program = {LENGTH(program), program};

    CHECK(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter_program));
}

static void child(char** argv, int unfiltered)
{
    struct rlimit files = {1024, 1024};

    CHECK(setsid());
    CHECK(sethostname("floor", 5));
    loopback_up();
    enter_root(argv[0]);
    CHECK(setrlimit(RLIMIT_NOFILE, &files));
    drop_capabilities();
    CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
    if (!unfiltered)
        filter();
    CHECK(syscall(SYS_close_range, 3, ~0U, 0));
    execv(argv[1], argv + 1);
    fail(argv[1]);
}

int main(int argc, char** argv)
{
    struct clone_args arguments = {
        .flags = CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNET,
        .exit_signal = SIGCHLD,
    };
    int status, unfiltered = argc > 1 && strcmp(argv[1], "-u") == 0;
    long pid;

    argv += 1 + unfiltered;
    if (argc - unfiltered < 3) {
        fprintf(stderr, "usage: floor [-u] ROOT COMMAND..\n");
        return 125;
    }
    pid = syscall(SYS_clone3, &arguments, sizeof(arguments));
    CHECK(pid);
    if (pid == 0)
        child(argv, unfiltered);
    CHECK(waitpid((pid_t)pid, &status, 0));
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
