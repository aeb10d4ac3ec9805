/* containerv_create, containerv_id and containerv_destroy. */
#include "check.h"

#ifndef _WIN32
#include <sys/resource.h>
#endif

static void what_cannot_be_a_root(void)
{
    struct containerv_container* out = NULL;

    put(below(scratch, "file"), "");
    FAILS(containerv_create(NULL, NULL, &out), EINVAL);
    FAILS(containerv_create(root, NULL, NULL), EINVAL);
    FAILS(containerv_create("", NULL, &out), ENOENT);
    FAILS(containerv_create(below(scratch, "missing"), NULL, &out), ENOENT);
    FAILS(containerv_create(below(scratch, "file"), NULL, &out), ENOTDIR);
    CHECK(out == NULL);
}

#ifndef _WIN32
static void option_values_that_cannot_be(void)
{
    static const char* const     bad_memory[] = {"", "1X", "-1", "x", "1G "};
    static const char* const     bad_weight[] = {"", "0", "10001", "max", "1.5", "-3"};
    static const char* const     bad_network[][3] = {{"10.0.0.2", NULL, NULL},
                                                     {"10.0.0", "255.0.0.0", "10.0.0.1"},
                                                     {"10.0.0.2", "255.0.255.0", "10.0.0.1"},
                                                     {"10.0.0.2", "24", "10.0.0.1"},
                                                     {"::1", "255.0.0.0", "10.0.0.1"}};
    struct containerv_options*   options = containerv_options_new();
    struct containerv_container* out = NULL;
    size_t                       i;

    containerv_options_set_caps(options, USUAL | CV_CAP_CGROUPS);
    for (i = 0; i < sizeof bad_memory / sizeof bad_memory[0]; i++) {
        containerv_options_set_cgroup_limits(options, bad_memory[i], NULL, NULL);
        FAILS(containerv_create(root, options, &out), EINVAL);
        containerv_options_set_cgroup_limits(options, NULL, NULL, bad_memory[i]);
        FAILS(containerv_create(root, options, &out), EINVAL);
    }
    for (i = 0; i < sizeof bad_weight / sizeof bad_weight[0]; i++) {
        containerv_options_set_cgroup_limits(options, NULL, bad_weight[i], NULL);
        FAILS(containerv_create(root, options, &out), EINVAL);
    }
    containerv_options_set_cgroup_limits(options, NULL, NULL, NULL);
    containerv_options_set_caps(options, USUAL | CV_CAP_NETWORK);
    for (i = 0; i < sizeof bad_network / sizeof bad_network[0]; i++) {
        containerv_options_set_network(options, bad_network[i][0], bad_network[i][1], bad_network[i][2]);
        FAILS(containerv_create(root, options, &out), EINVAL);
    }
    containerv_options_set_network(options, NULL, NULL, NULL);
    containerv_options_set_caps(options, USUAL | CV_CAP_USERS);
    containerv_options_set_users(options, 100000, 0, 0);
    FAILS(containerv_create(root, options, &out), EINVAL);
    containerv_options_set_users(options, 100000, 1, 10);
    FAILS(containerv_create(root, options, &out), EINVAL);
    containerv_options_set_users(options, 4294967290u, 0, 100);
    FAILS(containerv_create(root, options, &out), EINVAL);
    CHECK(out == NULL);
    containerv_options_delete(options);
}

static void options_without_their_capability(void)
{
    struct containerv_mount      mount = {(char*)"/usr", (char*)"/mnt", NULL, CV_MOUNT_BIND};
    struct containerv_container* out = NULL;
    int                          i;

    for (i = 0; i < 5; i++) {
        struct containerv_options* options = containerv_options_new();

        containerv_options_set_caps(options, i == 0 ? CV_CAP_IPC : USUAL);
        switch (i) {
        case 0: containerv_options_set_mounts(options, &mount, 1); break;
        case 1: containerv_options_set_users(options, 100000, 0, 10); break;
        case 2: containerv_options_set_groups(options, 100000, 0, 10); break;
        case 3: containerv_options_set_cgroup_limits(options, "1G", NULL, NULL); break;
        default: containerv_options_set_network(options, "10.0.0.2", "255.0.0.0", "10.0.0.1");
        }
        FAILS(containerv_create(root, options, &out), EINVAL);
        containerv_options_delete(options);
    }
    CHECK(out == NULL);
}
#endif

static void a_life(void)
{
    struct containerv_container* container = make(USUAL);
    struct containerv_container* other;
    const char*                  id = containerv_id(container);
    char                         copy[64] = "";
    int                          i;

    CHECK(id != NULL && strlen(id) == 12 && strspn(id, "0123456789abcdef") == 12);
    snprintf(copy, sizeof copy, "%s", id);
    CHECK(containerv_id(container) == id);
    WORKS(in(container, "host /shared/name"));
    HOLDS(shared("name"), "containerv-host");
    CHECK(same(copy, containerv_id(container)));
    WORKS(containerv_destroy(container));
    for (i = 0; i < 3; i++) {
        FAILS(containerv_destroy(container), EINVAL);
    }
    CHECK(containerv_id(container) == NULL);
    FAILS(containerv_kill(container, (process_handle_t)2), EINVAL);
    FAILS(containerv_spawn(container, INSIDE, NULL, NULL), EINVAL);
    other = make(USUAL);
    CHECK(other != container && strcmp(containerv_id(other), copy) != 0);
    FAILS(containerv_destroy(container), EINVAL);
    WORKS(containerv_destroy(other));
}

static void no_options(void)
{
    struct containerv_container* container = NULL;

    WORKS(containerv_create(root, NULL, &container));
    announce(container);
    WORKS(in(container, "host /shared/bare"));
    HOLDS(shared("bare"), "containerv-host");
    WORKS(containerv_destroy(container));
}

#ifndef _WIN32
/* Neither the host's name nor its mounts change, whatever a container without capabilities does. */
static void the_host_stays_as_it_is(void)
{
    struct containerv_container* container = NULL;
    char                         name[256] = "", mounts[8192];

    CHECK(gethostname(name, sizeof name - 1) == 0);
    snprintf(mounts, sizeof mounts, "%s", contents("/proc/self/mountinfo"));
    WORKS(containerv_create(root, NULL, &container));
    announce(container);
    WORKS(shell(container, "hostname > /bare; ls /proc | wc -l >> /bare"));
    HOLDS(below(root, "bare"), "containerv-host\n0");
    WORKS(shell(container, "hostname other; mount -t tmpfs none /mnt; true"));
    CHECK(same(contents("/proc/self/mountinfo"), mounts));
    CHECK(gethostname(mounts, sizeof mounts) == 0 && same(mounts, name));
    WORKS(containerv_destroy(container));
}
#endif

static void a_root_relative_to_the_working_directory(void)
{
    struct containerv_container* container = NULL;
    char                         copy[4096];
    char                         before[4096];
    char*                        slash;

    CHECK(getcwd(before, sizeof before) != NULL);
    snprintf(copy, sizeof copy, "%s", root);
    slash = copy + strlen(copy) - strlen("/root");
    CHECK(strcmp(slash + 1, "root") == 0);
    *slash = 0;
    CHECK(chdir(copy) == 0);
    WORKS(containerv_create("root", NULL, &container));
    announce(container);
    CHECK(chdir(before) == 0);
    WORKS(containerv_destroy(container));
}

#ifndef _WIN32
/* Whatever step the lack of descriptors meets, nothing is left behind and the next call works. */
static void without_descriptors(enum containerv_capabilities caps)
{
    struct containerv_container* container = NULL;
    struct containerv_options*   options = containerv_options_new();
    struct rlimit                before, few;
    int                          number = 0, used = 0, result = -1;

    containerv_options_set_caps(options, caps);
    if ((caps & CV_CAP_NETWORK) != 0) {
        containerv_options_set_network(options, "10.213.78.2", "255.255.255.252", "10.213.78.1");
    }

    CHECK(getrlimit(RLIMIT_NOFILE, &before) == 0);
    for (few = before; result != 0 && used < 200; used++) {
        few.rlim_cur = (rlim_t)used;
        CHECK(setrlimit(RLIMIT_NOFILE, &few) == 0);
        errno = UNTOUCHED;
        result = containerv_create(root, options, &container);
        number = errno;
        CHECK(setrlimit(RLIMIT_NOFILE, &before) == 0);
        if (result != 0) {
            CHECK(result == -1 && container == NULL && number == EMFILE);
        }
    }
    CHECK(result == 0 && number == UNTOUCHED && used > 3);
    announce(container);
    for (used = 0, result = -1; result != 0 && used < 200; used++) {
        few.rlim_cur = (rlim_t)used;
        CHECK(setrlimit(RLIMIT_NOFILE, &few) == 0);
        errno = UNTOUCHED;
        result = containerv_spawn(container, "/bin/true", NULL, NULL);
        number = errno;
        CHECK(setrlimit(RLIMIT_NOFILE, &before) == 0);
        CHECK(result == 0 ? number == UNTOUCHED : result == -1 && number == EMFILE);
    }
    CHECK(result == 0);
    containerv_options_delete(options);
    WORKS(shell(container, "exit 0"));
    WORKS(containerv_destroy(container));
}
#endif

static void several_on_one_root(void)
{
    struct containerv_container* first = make(USUAL);
    struct containerv_container* second = make(USUAL);

    WORKS(in(first, "write /shared/both shared + write /own own"));
    WORKS(in(second, "copy /shared/both /shared/seen"));
    HOLDS(shared("seen"), "shared");
    WORKS(containerv_destroy(first));
    WORKS(in(second, "write /shared/still still"));
    HOLDS(shared("still"), "still");
    WORKS(containerv_destroy(second));
}

#ifdef _WIN32
/* What is not in an entry of the directory is the container's own, and ends with it. */
static void the_rest_of_the_disk_is_private(void)
{
    struct containerv_container* first = make(USUAL);
    struct containerv_container* second = make(USUAL);

    WORKS(in(first, "write /own own + copy /own /shared/own"));
    HOLDS(shared("own"), "own");
    CHECK(!exists(below(root, "own")));
    WORKS(in(second, "copy /own /shared/stolen + write /shared/found yes"));
    CHECK(!exists(shared("found")));
    WORKS(containerv_destroy(first));
    WORKS(containerv_destroy(second));
}
#else
/* The directory is the root itself; /tmp is each container's own. */
static void the_root_is_shared(void)
{
    struct containerv_container* first = make(USUAL);
    struct containerv_container* second = make(USUAL);

    WORKS(shell(first, "echo shared > /at-the-top; echo own > /tmp/own"));
    WORKS(shell(second, "cat /at-the-top > /seen; ls /tmp >> /seen"));
    HOLDS(below(root, "seen"), "shared");
    WORKS(containerv_destroy(first));
    WORKS(containerv_destroy(second));
}
#endif

#ifdef _WIN32
/* A plain directory needs a base; a folder of a layer is its own, and is not written to. */
static void what_a_directory_is(void)
{
    struct containerv_container* container = NULL;
    char                         base[4096] = "";
    const char*                  layer = below(scratch, "layer-of-its-own");

    snprintf(base, sizeof base, "CONTAINERV_BASE=%s", getenv("CONTAINERV_BASE"));
    CHECK(putenv("CONTAINERV_BASE=") == 0);
    FAILS(containerv_create(root, NULL, &container), ENOTSUP);
    CHECK(container == NULL && mkdir(layer, 0755) == 0 && mkdir(below(layer, "Files"), 0755) == 0);
    WORKS(containerv_create(layer, NULL, &container));
    announce(container);
    WORKS(containerv_spawn(container, "C:\\Windows\\System32\\hostname.exe", NULL, NULL));
    WORKS(containerv_destroy(container));
    container = NULL;
    CHECK(mkdir(below(scratch, "whole"), 0755) == 0 && mkdir(below(scratch, "whole/Windows"), 0755) == 0);
    FAILS(containerv_create(below(scratch, "whole"), NULL, &container), ENOTSUP);
    CHECK(putenv(base) == 0 && container == NULL);
}
#endif

int main(int argc, char** argv)
{
#ifdef _WIN32
    start(argc, argv);
    what_a_directory_is();
    the_rest_of_the_disk_is_private();
#else
    int before;

    start(argc, argv);
    a_life();
    before = descriptors();
    option_values_that_cannot_be();
    options_without_their_capability();
    the_host_stays_as_it_is();
    the_root_is_shared();
    /* For Valgrind descriptors above the limit are closed, which they are not. */
    if (getenv("UNDER_VALGRIND") == NULL) {
        without_descriptors((enum containerv_capabilities)0);
        without_descriptors(USUAL | CV_CAP_NETWORK | CV_CAP_CGROUPS);
    }
#endif
    what_cannot_be_a_root();
    a_life();
    no_options();
    a_root_relative_to_the_working_directory();
    several_on_one_root();
#ifndef _WIN32
    CHECK(descriptors() == before);
#endif
    return finish();
}
