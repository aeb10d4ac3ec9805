/* containerv_join. */
#include "check.h"

static struct containerv_container* container;

/* The inode behind /proc/self/ns/KIND, which names the namespace. */
static unsigned long namespace(const char* kind)
{
    struct stat found;
    char        path[64];

    snprintf(path, sizeof path, "/proc/self/ns/%s", kind);
    return stat(path, &found) == 0 ? found.st_ino : 0;
}

static void a_member_sees_the_container(void)
{
    static const char* const kinds[] = {"mnt", "uts", "ipc", "pid_for_children"};
    unsigned long            before[4];
    pid_t                    child = fork();
    int                      i;

    if (child == 0) {
        const char* id = getenv("TEST_ID");
        char        name[256] = "";
        pid_t       grandchild;
        int         status = -1;

        for (i = 0; i < 4; i++) {
            before[i] = namespace(kinds[i]);
        }
        WORKS(containerv_join(id));
        CHECK(gethostname(name, sizeof name) == 0);
        CHECK(same(name, "containerv-host"));
        CHECK(access("/mark", F_OK) == 0);
        CHECK(getcwd(name, sizeof name) != NULL && same(name, "/"));
        CHECK(chroot(".") != 0 || access("/mark", F_OK) == 0);
        /* Its children are the first with a process id of the container. */
        grandchild = fork();
        if (grandchild == 0) {
            char self[32] = "";

            for (i = 0; i < 4; i++) {
                CHECK(namespace(kinds[i]) != before[i] && namespace(kinds[i]) != 0);
            }
            CHECK(readlink("/proc/self", self, sizeof self - 1) > 0 && atoi(self) == getpid());
            CHECK(getpid() < 1000);
            leave_child();
        }
        CHECK(waitpid(grandchild, &status, 0) == grandchild && status == 0);
        leave_child();
    }
    join_child(child);
}

static void a_member_has_the_containers_rights(void)
{
    pid_t child = fork();

    if (child == 0) {
        WORKS(containerv_join(getenv("TEST_ID")));
        execl("/bin/sh", "sh", "-c",
              "grep -E '^(CapEff|CapBnd|CapInh|NoNewPrivs|Seccomp):' /proc/self/status > /member;"
              "mount -t tmpfs none /mnt 2>/dev/null && echo mounted >> /member; exit 0",
              (char*)NULL);
        _exit(1);
    }
    join_child(child);
    WORKS(shell(container, "grep -E '^(CapEff|CapBnd|CapInh|NoNewPrivs|Seccomp):' /proc/self/status > /spawned"));
    CHECK(strlen(contents(below(root, "spawned"))) > 50);
    HOLDS(below(root, "member"), contents(below(root, "spawned")));
}

static void a_member_ends_with_the_container(void)
{
    struct containerv_container* other = make(USUAL);
    pid_t                        child;
    int                          status = 0;

    char                         id[64];

    snprintf(id, sizeof id, "%s", containerv_id(other));
    child = fork();
    if (child == 0) {
        WORKS(containerv_join(id));
        execl("/bin/sh", "sh", "-c", "echo > /in; exec sleep 600", (char*)NULL);
        _exit(1);
    }
    CHECK(appears(below(root, "in")));
    WORKS(containerv_destroy(other));
    CHECK(waitpid(child, &status, 0) == child && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void* idle(void* argument)
{
    pause();
    return argument;
}

static void what_cannot_join(void)
{
    unsigned long uts = namespace("uts"), mnt = namespace("mnt");
    pid_t         child;

    FAILS(containerv_join(NULL), EINVAL);
    FAILS(containerv_join(""), ENOENT);
    FAILS(containerv_join("ffffffffffff"), ENOENT);
    FAILS(containerv_join("../../etc"), ENOENT);
    FAILS(containerv_join("no such id"), ENOENT);
    child = fork();
    if (child == 0) {
        pthread_t thread;

        CHECK(pthread_create(&thread, NULL, idle, NULL) == 0);
        FAILS(containerv_join(getenv("TEST_ID")), EINVAL);
        CHECK(pthread_cancel(thread) == 0 && pthread_join(thread, NULL) == 0);
        leave_child();
    }
    join_child(child);
    child = fork();
    if (child == 0) {
        CHECK(setgid(65534) == 0 && setuid(65534) == 0);
        if (container != NULL) {
            FAILS(containerv_join(getenv("TEST_ID")), EACCES);
        }
        leave_child();
    }
    join_child(child);
    CHECK(namespace("uts") == uts && namespace("mnt") == mnt);
}

static void a_container_that_has_ended(void)
{
    struct containerv_container* other = make(USUAL);
    char                         id[64];

    snprintf(id, sizeof id, "%s", containerv_id(other));
    WORKS(containerv_destroy(other));
    FAILS(containerv_join(id), ENOENT);
}

/* A set-user-ID program: real and effective user differ. Its caller, who has less power, must not
 * choose where containers are looked for. */
static void the_environment_of_a_weaker_caller(char** argv)
{
    pid_t child = fork();

    if (child == 0) {
        /* The kernel treats this program like one with the bit. */
        CHECK(setresuid(1234, 0, 0) == 0);
        execl(argv[0], argv[0], root, scratch, (char*)NULL);
        _exit(1);
    }
    join_child(child);
}

static void as_a_program_with_more_power(void)
{
    CHECK(getenv("CONTAINERV_ROOT") != NULL && getenv("TEST_ID") != NULL);
    FAILS(containerv_join(getenv("TEST_ID")), ENOENT);
    leave_child();
}

/* Without user ids of its own a container leaves the caller's as they are. */
static void ids_of_the_caller_stay(void)
{
    pid_t child = fork();

    if (child == 0) {
        uid_t real, effective, saved;

        CHECK(setresuid(1234, 0, 0) == 0);
        WORKS(containerv_join(getenv("TEST_ID")));
        CHECK(getresuid(&real, &effective, &saved) == 0 && real == 1234 && effective == 0 && saved == 0);
        leave_child();
    }
    join_child(child);
}

static void with_ids_of_its_own(void)
{
    struct containerv_container* other = make(USUAL | CV_CAP_USERS);
    char                         id[64];
    pid_t                        child;

    snprintf(id, sizeof id, "%s", containerv_id(other));
    child = fork();
    if (child == 0) {
        uid_t real, effective, saved;

        CHECK(setresuid(1234, 0, 0) == 0);
        WORKS(containerv_join(id));
        CHECK(getresuid(&real, &effective, &saved) == 0 && real == 0 && effective == 0 && saved == 0);
        leave_child();
    }
    join_child(child);
    WORKS(containerv_destroy(other));
}

static void a_prefix_of_the_id(void)
{
    pid_t child = fork();

    if (child == 0) {
        char id[64];

        snprintf(id, sizeof id, "%.8s", getenv("TEST_ID"));
        WORKS(containerv_join(id));
        CHECK(access("/mark", F_OK) == 0);
        /* A member is where nobody can look for containers. */
        FAILS(containerv_join(id), ENOENT);
        leave_child();
    }
    join_child(child);
}

static void without_mounts_of_its_own(void)
{
    struct containerv_container* other = make(CV_CAP_IPC);
    char                         id[64];
    pid_t                        child;

    snprintf(id, sizeof id, "%s", containerv_id(other));
    child = fork();
    if (child == 0) {
        char        name[4096];
        struct stat here, above;

        WORKS(containerv_join(id));
        CHECK(access("/mark", F_OK) == 0);
        CHECK(getcwd(name, sizeof name) != NULL && same(name, "/"));
        CHECK(stat(".", &here) == 0 && stat("..", &above) == 0 && here.st_ino == above.st_ino);
        leave_child();
    }
    join_child(child);
    WORKS(containerv_destroy(other));
}

int main(int argc, char** argv)
{
    start(argc, argv);
    if (getuid() != geteuid()) {
        as_a_program_with_more_power();
    }
    put(below(root, "mark"), "");
    what_cannot_join();
    container = make(USUAL);
    setenv("TEST_ID", containerv_id(container), 1);
    what_cannot_join();
    a_member_sees_the_container();
    a_member_has_the_containers_rights();
    a_prefix_of_the_id();
    the_environment_of_a_weaker_caller(argv);
    ids_of_the_caller_stay();
    with_ids_of_its_own();
    without_mounts_of_its_own();
    a_container_that_has_ended();
    WORKS(containerv_destroy(container));
    a_member_ends_with_the_container();
    return finish();
}
