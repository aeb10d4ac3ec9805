/* containerv_upload and containerv_download. */
#include "check.h"

#define MANY 40

/* A place that is not the directory's. */
#ifdef _WIN32
#define OWN_PLACE "own-file"
#else
#define OWN_PLACE "tmp/own-file"
#endif

static struct containerv_container* container;

static void many_at_once(void)
{
    char        host[MANY][4096], inside[MANY][64], back[MANY][4096];
    const char *hosts[MANY], *insides[MANY], *backs[MANY];
    int         i;

    for (i = 0; i < MANY; i++) {
        snprintf(host[i], sizeof host[i], "%s/up%d", scratch, i);
        snprintf(back[i], sizeof back[i], "%s/down%d", scratch, i);
        /* With and without a slash: both are relative to the root. */
        snprintf(inside[i], sizeof inside[i], "%sshared/file%d", i % 2 == 0 ? "/" : "", i);
        hosts[i] = host[i];
        insides[i] = inside[i];
        backs[i] = back[i];
        put(host[i], host[i]);
    }
    WORKS(containerv_upload(container, hosts, insides, MANY));
    WORKS(containerv_download(container, insides, backs, MANY));
    for (i = 0; i < MANY; i++) {
        HOLDS(below(root, inside[i]), host[i]);
        HOLDS(back[i], host[i]);
    }
}

static int one(int up, const char* from, const char* to)
{
    return up ? containerv_upload(container, &from, &to, 1) : containerv_download(container, &from, &to, 1);
}

static void what_is_there_is_replaced(void)
{
    put(below(scratch, "short"), "short");
    put(shared("target"), "something much longer");
    WORKS(one(1, below(scratch, "short"), "shared/target"));
    HOLDS(shared("target"), "short");
}

static void failures_are_told_and_do_not_stop_the_rest(void)
{
    const char* hosts[5] = {below(scratch, "short"), below(scratch, "missing"), NULL, below(scratch, "short"), scratch};
    const char* insides[5] = {"/shared/rest0", "/shared/rest1", "/shared/rest2", "/shared/rest3", "/shared/rest4"};
    const char* backs[3] = {below(scratch, "back0"), below(scratch, "back1"), below(scratch, "back2")};
    const char* sources[3] = {"/nothing", "/shared/rest0", "/bin"};
    const char* none[1] = {""};

    FAILS(containerv_upload(container, hosts, insides, 5), ENOENT);
    HOLDS(shared("rest0"), "short");
    HOLDS(shared("rest3"), "short");
    CHECK(!exists(shared("rest1")) && !exists(shared("rest4")));
    FAILS(containerv_upload(container, hosts + 2, insides, 1), EINVAL);
    FAILS(containerv_upload(container, hosts + 4, insides + 4, 1), EINVAL);
    FAILS(containerv_upload(container, none, insides, 1), ENOENT);
    FAILS(containerv_download(container, sources, backs, 3), ENOENT);
    HOLDS(below(scratch, "back1"), "short");
    FAILS(one(0, "/bin", backs[0]), EINVAL);
    FAILS(one(1, hosts[0], "/bin"), EISDIR);
    FAILS(one(1, hosts[0], "/no/such/directory/file"), ENOENT);
    FAILS(one(0, "/shared/rest0", below(scratch, "no/directory")), ENOENT);
    FAILS(one(1, hosts[0], NULL), EINVAL);
}

static void paths_relative_to_the_working_directory(void)
{
    char before[4096];

    CHECK(getcwd(before, sizeof before) != NULL && chdir(scratch) == 0);
    WORKS(one(1, "short", "shared/relative"));
    HOLDS(shared("relative"), "short");
    WORKS(one(0, "shared/relative", "relative-back"));
    HOLDS(below(scratch, "relative-back"), "short");
    CHECK(chdir(before) == 0);
}

static void counts(void)
{
    const char* path = "/x";

    WORKS(containerv_upload(container, &path, &path, 0));
    WORKS(containerv_upload(container, NULL, NULL, 0));
    WORKS(containerv_download(container, NULL, NULL, 0));
    FAILS(containerv_upload(container, &path, &path, -1), EINVAL);
    FAILS(containerv_upload(container, NULL, &path, 1), EINVAL);
    FAILS(containerv_upload(container, &path, NULL, 1), EINVAL);
    FAILS(containerv_download(container, NULL, &path, 1), EINVAL);
    FAILS(containerv_download(container, &path, NULL, 1), EINVAL);
}

static void a_large_file(void)
{
    static char block[65536];
    const char* host = below(scratch, "large");
    FILE*       file = fopen(host, "wb");
    int         i;

    for (i = 0; i < 80; i++) {
        memset(block, 'a' + i % 26, sizeof block);
        CHECK(fwrite(block, 1, sizeof block, file) == sizeof block);
    }
    fclose(file);
    WORKS(one(1, host, "/shared/large"));
    WORKS(one(0, "shared/large", below(scratch, "large-back")));
    file = fopen(below(scratch, "large-back"), "rb");
    CHECK(file != NULL);
    for (i = 0; file != NULL && i < 80; i++) {
        CHECK(fread(block, 1, sizeof block, file) == sizeof block && block[0] == 'a' + i % 26);
    }
    if (file != NULL) {
        CHECK(fgetc(file) == EOF);
        fclose(file);
    }
}

/* What the container has for itself alone: a file system in memory, or its own disk. */
static void a_place_of_the_containers_own(void)
{
    WORKS(one(1, below(scratch, "short"), OWN_PLACE));
    CHECK(!exists(below(root, OWN_PLACE)));
    WORKS(one(0, OWN_PLACE, below(scratch, "own-back")));
    HOLDS(below(scratch, "own-back"), "short");
    WORKS(in(container, "copy /" OWN_PLACE " /shared/own-copy"));
    HOLDS(shared("own-copy"), "short");
}

#ifdef _WIN32
/* Names that lead elsewhere on Windows, whatever they seem to be. */
static void paths_that_lead_elsewhere(void)
{
    static const char* const paths[] = {"C:planted", "shared/x:stream", "NUL", "\\\\?\\C:\\planted", "shared/dot."};
    size_t                   i;

    for (i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        int result;

        errno = UNTOUCHED;
        result = one(1, below(scratch, "short"), paths[i]);
        if (result != -1 || errno == UNTOUCHED) {
            fprintf(stderr, "%s: result %d, errno %d\n", paths[i], result, errno);
        }
        CHECK(result == -1 && errno != UNTOUCHED);
    }
    FAILS(one(1, below(scratch, "short"), "shared/\xff"), EINVAL);
    /* There is nothing above the root. */
    WORKS(one(1, below(scratch, "short"), "..\\shared\\..\\..\\shared\\climbed"));
    HOLDS(shared("climbed"), "short");
    WORKS(one(1, below(scratch, "short"), "C:\\shared\\drive"));
    HOLDS(shared("drive"), "short");
}
#else
static mode_t mode_of(const char* path)
{
    struct stat found;

    return stat(path, &found) == 0 ? found.st_mode & 07777 : 0;
}

static void modes_and_owners(void)
{
    const char* host = below(scratch, "script");
    struct stat found;

    put(host, "#!/bin/sh\n");
    CHECK(chmod(host, 0777) == 0 && chown(host, 1000, 1000) == 0);
    umask(027);
    WORKS(one(1, host, "/script"));
    CHECK(mode_of(below(root, "script")) == 0750);
    CHECK(stat(below(root, "script"), &found) == 0 && found.st_uid == 0 && found.st_gid == 0);
    CHECK(chown(below(root, "script"), 1234, 1234) == 0 && chmod(below(root, "script"), 04755) == 0);
    WORKS(one(0, "/script", below(scratch, "script-back")));
    CHECK(mode_of(below(scratch, "script-back")) == 0750);
    CHECK(stat(below(scratch, "script-back"), &found) == 0 && found.st_uid == geteuid());
    umask(022);
}

static void a_replaced_file_has_the_sources_mode(void)
{
    put(below(root, "target"), "something much longer");
    CHECK(chmod(below(root, "target"), 0600) == 0);
    WORKS(one(1, below(scratch, "short"), "target"));
    HOLDS(below(root, "target"), "short");
    CHECK(mode_of(below(root, "target")) == 0644);
}

static void paths_stay_in_the_root(void)
{
    put(below(scratch, "secret"), "mine");
    CHECK(symlink(scratch, below(root, "escape")) == 0);
    CHECK(symlink("../../../../../../..", below(root, "climb")) == 0);
    FAILS(one(0, below("/escape", "secret"), below(scratch, "stolen")), ENOENT);
    FAILS(one(1, below(scratch, "secret"), "/escape/planted"), ENOENT);
    CHECK(access(below(scratch, "planted"), F_OK) != 0 && access(below(scratch, "stolen"), F_OK) != 0);
    WORKS(one(1, below(scratch, "secret"), "/climb/../../up-and-up"));
    HOLDS(below(root, "up-and-up"), "mine");
    FAILS(one(0, "/proc/1/environ", below(scratch, "kernel")), EINVAL);
}

/* Whatever the container has put there: nothing blocks, and only a name in the root is replaced. */
static void what_is_no_regular_file(void)
{
    struct stat found;

    CHECK(mkfifo(below(root, "fifo"), 0666) == 0 && mkfifo(below(scratch, "fifo"), 0666) == 0);
    FAILS(one(0, "/fifo", below(scratch, "from-fifo")), EINVAL);
    FAILS(one(1, below(scratch, "fifo"), "/from-fifo"), EINVAL);
    FAILS(one(0, "/dev/null", below(scratch, "from-device")), EINVAL);
    WORKS(one(1, below(scratch, "short"), "/fifo"));
    CHECK(lstat(below(root, "fifo"), &found) == 0 && S_ISREG(found.st_mode));
    put(below(root, "behind"), "old");
    CHECK(symlink("behind", below(root, "link")) == 0 && symlink("/behind", below(root, "absolute")) == 0);
    WORKS(one(1, below(scratch, "short"), "/link"));
    HOLDS(below(root, "behind"), "short");
    put(below(root, "behind"), "old");
    WORKS(one(1, below(scratch, "short"), "/absolute"));
    HOLDS(below(root, "behind"), "short");
    CHECK(lstat(below(root, "link"), &found) == 0 && S_ISLNK(found.st_mode));
    CHECK(symlink("loop", below(root, "loop")) == 0);
    FAILS(one(0, "/loop", below(scratch, "from-loop")), ELOOP);
}

static void a_full_disk_is_told(void)
{
    /* The container's /dev is a small file system in memory. */
    WORKS(shell(container, "cat /dev/zero > /dev/shm/all 2>/dev/null; true"));
    FAILS(one(1, below(scratch, "large"), "/dev/shm/more"), ENOSPC);
    WORKS(shell(container, "rm /dev/shm/all; test -e /dev/shm/more && echo left > /left-over; true"));
    CHECK(access(below(root, "left-over"), F_OK) != 0);
}

static void without_mounts_of_its_own(void)
{
    struct containerv_container* usual = container;

    container = make(CV_CAP_IPC);
    WORKS(one(1, below(scratch, "short"), "/bare"));
    HOLDS(below(root, "bare"), "short");
    FAILS(one(1, below(scratch, "secret"), "/escape/planted"), ENOENT);
    WORKS(one(0, "bare", below(scratch, "bare-back")));
    HOLDS(below(scratch, "bare-back"), "short");
    WORKS(containerv_destroy(container));
    container = usual;
}
#endif

int main(int argc, char** argv)
{
    start(argc, argv);
    container = make(USUAL);
    many_at_once();
    what_is_there_is_replaced();
    failures_are_told_and_do_not_stop_the_rest();
    paths_relative_to_the_working_directory();
    counts();
    a_large_file();
    a_place_of_the_containers_own();
#ifdef _WIN32
    paths_that_lead_elsewhere();
#else
    umask(022);
    modes_and_owners();
    a_replaced_file_has_the_sources_mode();
    paths_stay_in_the_root();
    what_is_no_regular_file();
    a_full_disk_is_told();
    without_mounts_of_its_own();
#endif
    WORKS(containerv_destroy(container));
    return finish();
}
