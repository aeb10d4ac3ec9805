/* Mounts: kinds, flags, and targets that lead out of the root. */
#include "check.h"

#ifndef _WIN32
#include <sys/mount.h>
#endif

static struct containerv_options* options;

static int with(struct containerv_mount* mounts, int count, struct containerv_container** out)
{
    containerv_options_set_caps(options, USUAL);
    containerv_options_set_mounts(options, mounts, count);
    return containerv_create(root, options, out);
}

static struct containerv_mount mount_of(const char* what, const char* where, const char* fstype, int flags)
{
    struct containerv_mount mount;

    memset(&mount, 0, sizeof mount);
    mount.what = (char*)what;
    mount.where = (char*)where;
    mount.fstype = (char*)fstype;
    mount.flags = (enum containerv_mount_flags)flags;
    return mount;
}

/* Directories of the host: writable, read-only, and within one another. */
static void directories(void)
{
    struct containerv_container* container = NULL;
    struct containerv_mount      mounts[3];
    const char*                  source = below(scratch, "source");

    CHECK(mkdir(source, 0755) == 0 && mkdir(below(scratch, "other"), 0755) == 0);
    put(below(scratch, "source/file"), "of the host");
    put(below(scratch, "other/file"), "of another");
    mounts[0] = mount_of(source, "/new", NULL, CV_MOUNT_BIND | CV_MOUNT_CREATE);
    mounts[1] = mount_of(source, "/kept", NULL, CV_MOUNT_BIND | CV_MOUNT_RECURSIVE | CV_MOUNT_CREATE | CV_MOUNT_READONLY);
    mounts[2] = mount_of(below(scratch, "other"), "/shared/deep", NULL, CV_MOUNT_CREATE);
    WORKS(with(mounts, 3, &container));
    announce(container);
    WORKS(in(container, "copy /new/file /shared/new-file + copy /kept/file /shared/kept-file + copy /shared/deep/file /shared/deep-file"));
    HOLDS(shared("new-file"), "of the host");
    HOLDS(shared("kept-file"), "of the host");
    HOLDS(shared("deep-file"), "of another");
    WORKS(in(container, "write /new/written x + write /shared/deep/written y"));
    WORKS(in(container, "write /kept/refused x"));
    HOLDS(below(scratch, "source/written"), "x");
    HOLDS(below(scratch, "other/written"), "y");
    HOLDS(below(scratch, "source/refused"), "(none)");
    WORKS(containerv_destroy(container));
    HOLDS(below(scratch, "source/file"), "of the host");
    unlink(below(scratch, "source/written"));
}

/* The array is read by containerv_create(), not before, and needed no longer. */
static void the_array_is_read_late(void)
{
    struct containerv_container* container = NULL;
    struct containerv_mount      mount = mount_of("nowhere", "relative", "bad", 0x8);
    char                         what[4096], where[] = "/late";

    snprintf(what, sizeof what, "%s", below(scratch, "source"));
    containerv_options_set_caps(options, USUAL);
    containerv_options_set_mounts(options, &mount, 7);
    containerv_options_set_mounts(options, &mount, 1);
    mount = mount_of(what, where, NULL, CV_MOUNT_BIND | CV_MOUNT_CREATE);
    WORKS(containerv_create(root, options, &container));
    announce(container);
    memset(&mount, 0xff, sizeof mount);
    memset(what, 'x', sizeof what - 1);
    memset(where, 'x', sizeof where - 1);
    containerv_options_set_mounts(options, NULL, 0);
    WORKS(in(container, "copy /late/file /shared/seen-late"));
    HOLDS(shared("seen-late"), "of the host");
    WORKS(containerv_destroy(container));
}

#ifdef _WIN32
/* What Windows has of it; a drive of its own too. */
static void what_windows_has(void)
{
    struct containerv_container* container = NULL;
    const char*                  source = below(scratch, "source");
    struct containerv_mount      mount = mount_of(source, "C:\\mapped\\here", NULL, CV_MOUNT_BIND);
    size_t                       i;
    struct {
        struct containerv_mount mount;
        int                     number;
    } table[] = {
        {mount_of(NULL, "/mnt", NULL, CV_MOUNT_BIND), EINVAL},
        {mount_of(source, NULL, NULL, CV_MOUNT_BIND), EINVAL},
        {mount_of(source, "mnt", NULL, CV_MOUNT_BIND), EINVAL},
        {mount_of(source, "/", NULL, CV_MOUNT_BIND), EINVAL},
        {mount_of(source, "C:\\", NULL, CV_MOUNT_BIND), EINVAL},
        {mount_of(source, "/a/../b", NULL, CV_MOUNT_BIND), EINVAL},
        {mount_of(source, "C:\\NUL", NULL, CV_MOUNT_BIND), EINVAL},
        {mount_of(below(scratch, "no-source"), "/mnt", NULL, CV_MOUNT_BIND), ENOENT},
        {mount_of("", "/mnt", NULL, CV_MOUNT_BIND), ENOENT},
        {mount_of(source, "/mnt", NULL, 0x8), EINVAL},
        {mount_of("none", "/mnt", "tmpfs", CV_MOUNT_CREATE), ENOTSUP},
        {mount_of("\xff", "/mnt", NULL, CV_MOUNT_BIND), EINVAL},
    };

    WORKS(with(&mount, 1, &container));
    announce(container);
    WORKS(in(container, "copy C:\\mapped\\here\\file /shared/mapped"));
    HOLDS(shared("mapped"), "of the host");
    WORKS(containerv_destroy(container));
    container = NULL;
    for (i = 0; i < sizeof table / sizeof table[0]; i++) {
        int result;

        errno = UNTOUCHED;
        result = with(&table[i].mount, 1, &container);
        if (result != -1 || errno != table[i].number) {
            fprintf(stderr, "row %d: result %d, errno %d\n", (int)i, result, errno);
        }
        CHECK(result == -1 && errno == table[i].number && container == NULL);
    }
    FAILS(with(&mount, -1, &container), EINVAL);
    FAILS(with(NULL, 1, &container), EINVAL);
    CHECK(container == NULL);
}
#else
static void kinds_and_flags(void)
{
    struct containerv_container* container = NULL;
    struct containerv_mount      mounts[6];
    struct stat                  made;
    const char*                  source = below(scratch, "source");

    put(below(root, "point"), "covered");
    mounts[0] = mount_of(source, "/new/dir", NULL, CV_MOUNT_BIND | CV_MOUNT_CREATE);
    mounts[1] = mount_of(source, "/kept", NULL, CV_MOUNT_BIND | CV_MOUNT_CREATE | CV_MOUNT_READONLY);
    mounts[2] = mount_of(below(scratch, "source/file"), "/point", NULL, CV_MOUNT_BIND | CV_MOUNT_READONLY);
    mounts[3] = mount_of("anything", "/memory", "tmpfs", CV_MOUNT_CREATE);
    mounts[4] = mount_of(source, "/tmp/in", NULL, CV_MOUNT_BIND | CV_MOUNT_RECURSIVE | CV_MOUNT_CREATE);
    mounts[5] = mount_of(source, "/zero", NULL, 0);
    CHECK(mkdir(below(root, "zero"), 0755) == 0);
    WORKS(with(mounts, 6, &container));
    announce(container);
    WORKS(shell(container, "cat /new/dir/file /kept/file /point /tmp/in/file /zero/file > /read"));
    HOLDS(below(root, "read"), "of the hostof the hostof the hostof the hostof the host");
    WORKS(shell(container, "echo x > /new/dir/written; echo x > /kept/refused; echo x > /point; echo x > /memory/x"));
    HOLDS(below(scratch, "source/written"), "x");
    HOLDS(below(scratch, "source/refused"), "(none)");
    HOLDS(below(scratch, "source/file"), "of the host");
    HOLDS(below(root, "memory/x"), "(none)");
    WORKS(containerv_destroy(container));
    HOLDS(below(root, "point"), "covered");
    CHECK(stat(below(root, "new/dir"), &made) == 0 && S_ISDIR(made.st_mode) && (made.st_mode & 07777) == 0755);
}

/* What is mounted below a source comes along only if that is asked for, and read-only if that is. */
static void mounts_below_the_source(void)
{
    struct containerv_container* container = NULL;
    struct containerv_mount      mounts[3];
    pid_t                        child = fork();

    if (child == 0) {
        options = containerv_options_new();
        CHECK(unshare(CLONE_NEWNS) == 0 && mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) == 0);
        CHECK(mkdir(below(scratch, "tree"), 0755) == 0 && mkdir(below(scratch, "tree/sub"), 0755) == 0);
        CHECK(mount("none", below(scratch, "tree/sub"), "tmpfs", 0, NULL) == 0);
        put(below(scratch, "tree/sub/deep"), "deep");
        mounts[0] = mount_of(below(scratch, "tree"), "/all", NULL, CV_MOUNT_BIND | CV_MOUNT_RECURSIVE | CV_MOUNT_CREATE);
        mounts[1] = mount_of(below(scratch, "tree"), "/one", NULL, CV_MOUNT_BIND | CV_MOUNT_CREATE);
        mounts[2] = mount_of(below(scratch, "tree"), "/locked", NULL,
                             CV_MOUNT_BIND | CV_MOUNT_RECURSIVE | CV_MOUNT_READONLY | CV_MOUNT_CREATE);
        WORKS(with(mounts, 3, &container));
        announce(container);
        WORKS(shell(container, "cat /all/sub/deep /locked/sub/deep > /deep; ls /one/sub | wc -l >> /deep;"
                               "echo x > /locked/sub/x; echo x > /locked/x; echo x > /all/sub/y"));
        HOLDS(below(root, "deep"), "deepdeep0");
        HOLDS(below(scratch, "tree/sub/x"), "(none)");
        HOLDS(below(scratch, "tree/x"), "(none)");
        HOLDS(below(scratch, "tree/sub/y"), "x");
        WORKS(containerv_destroy(container));
        containerv_options_delete(options);
        leave_child();
    }
    join_child(child);
}

/* Links within the root are followed if they are relative: others say nothing about the root. */
static void targets_through_links(void)
{
    struct containerv_container* container = NULL;
    struct containerv_mount      mount = mount_of(below(scratch, "source"), "/near/x", NULL, CV_MOUNT_BIND | CV_MOUNT_CREATE);

    CHECK(mkdir(below(root, "inside"), 0755) == 0 && symlink("inside", below(root, "near")) == 0);
    CHECK(symlink("/inside", below(root, "far")) == 0);
    WORKS(with(&mount, 1, &container));
    announce(container);
    WORKS(shell(container, "cat /inside/x/file > /seen-near"));
    HOLDS(below(root, "seen-near"), "of the host");
    WORKS(containerv_destroy(container));
    mount.where = (char*)"/far/x";
    container = NULL;
    FAILS(with(&mount, 1, &container), EXDEV);
    CHECK(container == NULL);
}

static void what_the_kernel_gives(void)
{
    struct containerv_container* container = make(USUAL);

    WORKS(shell(container, "ls -d /proc/1 /sys/class /tmp > /seen; stat -c %a /tmp >> /seen; echo x > /sys/x"));
    HOLDS(below(root, "seen"), "/proc/1\n/sys/class\n/tmp\n1777");
    WORKS(containerv_destroy(container));
    CHECK(access(below(root, "proc"), F_OK) == 0);
}

static void mounts_that_cannot_be(void)
{
    struct containerv_container* out = NULL;
    struct containerv_mount      mount;
    const char*                  source = below(scratch, "source");
    size_t                       i;
    struct {
        struct containerv_mount mount;
        int                     number;
    } table[] = {
        {mount_of(NULL, "/mnt", NULL, CV_MOUNT_BIND), EINVAL},
        {mount_of(source, NULL, NULL, CV_MOUNT_BIND), EINVAL},
        {mount_of(source, "mnt", NULL, CV_MOUNT_BIND), EINVAL},
        {mount_of(source, "/", NULL, CV_MOUNT_BIND), EINVAL},
        {mount_of(source, "/a/../b", NULL, CV_MOUNT_BIND | CV_MOUNT_CREATE), EINVAL},
        {mount_of(source, "/../outside", NULL, CV_MOUNT_BIND | CV_MOUNT_CREATE), EINVAL},
        {mount_of(source, "/missing", NULL, CV_MOUNT_BIND), ENOENT},
        {mount_of(below(scratch, "no-source"), "/mnt", NULL, CV_MOUNT_BIND | CV_MOUNT_CREATE), ENOENT},
        {mount_of(below(scratch, "source/file"), "/no-file", NULL, CV_MOUNT_BIND | CV_MOUNT_CREATE), ENOENT},
        {mount_of("", "/mnt", NULL, CV_MOUNT_BIND), ENOENT},
        {mount_of(source, "/mnt", NULL, 0x8), EINVAL},
        {mount_of("/dev/null", "/mnt", "ext4", CV_MOUNT_CREATE), ENOTSUP},
        {mount_of("none", "/mnt", "no-such-type", CV_MOUNT_CREATE), ENODEV},
        {mount_of(source, "/out/x", NULL, CV_MOUNT_BIND | CV_MOUNT_CREATE), EXDEV},
        {mount_of(source, "/up/x", NULL, CV_MOUNT_BIND | CV_MOUNT_CREATE), EXDEV},
    };

    CHECK(symlink("/etc", below(root, "out")) == 0);
    CHECK(symlink("../../..", below(root, "up")) == 0);
    for (i = 0; i < sizeof table / sizeof table[0]; i++) {
        int result;

        errno = UNTOUCHED;
        result = with(&table[i].mount, 1, &out);
        if (result != -1 || errno != table[i].number) {
            fprintf(stderr, "row %d: result %d, errno %d\n", (int)i, result, errno);
        }
        CHECK(result == -1 && errno == table[i].number && out == NULL);
    }
    mount = mount_of(source, "/mnt", NULL, CV_MOUNT_BIND);
    FAILS(with(&mount, -1, &out), EINVAL);
    FAILS(with(NULL, 1, &out), EINVAL);
    CHECK(out == NULL && access("/etc/x", F_OK) != 0);
    CHECK(access(below(root, "no-file"), F_OK) != 0);
}
#endif

int main(int argc, char** argv)
{
    start(argc, argv);
    options = containerv_options_new();
    directories();
    the_array_is_read_late();
#ifdef _WIN32
    what_windows_has();
#else
    kinds_and_flags();
    mounts_below_the_source();
    targets_through_links();
    what_the_kernel_gives();
    mounts_that_cannot_be();
#endif
    containerv_options_delete(options);
    return finish();
}
