/* How containers end: with grace, all at once, and with their creator. */
#include "check.h"

/* Whether some process of the machine has this word on its command line. */
static int runs(const char* pattern)
{
    char  command[256], text[64] = "";
    FILE* found;
    int   any;

    /* The pattern, with a letter in brackets, does not fit the command lines of shell and grep. */
    snprintf(command, sizeof command, "grep -lsz -e '%s' /proc/[0-9]*/cmdline 2>/dev/null", pattern);
    found = popen(command, "r");
    CHECK(found != NULL);
    any = found != NULL && fgets(text, sizeof text, found) != NULL;
    if (found != NULL) {
        pclose(found);
    }
    return any;
}

static void processes_get_a_chance(void)
{
    struct containerv_container*    container = make(USUAL);
    struct containerv_spawn_options how;

    memset(&how, 0, sizeof how);
    how.arguments = "-c \"trap 'echo bye > /bye; exit 0' TERM; echo > /polite; while true; do sleep 0.02; done\"";
    WORKS(containerv_spawn(container, "/bin/sh", &how, NULL));
    CHECK(appears(below(root, "polite")));
    WORKS(containerv_destroy(container));
    HOLDS(below(root, "bye"), "bye");
}

static void deaf_processes_and_orphans_end_too(enum containerv_capabilities caps)
{
    struct containerv_container*    container = make(caps);
    struct containerv_spawn_options how;
    double                          begin;

    unlink(below(root, "stubborn"));
    memset(&how, 0, sizeof how);
    how.arguments = "-c \"trap '' TERM; (trap '' TERM; sleep 43211 & sleep 43211) & echo > /stubborn; sleep 43211\"";
    WORKS(containerv_spawn(container, "/bin/sh", &how, NULL));
    CHECK(appears(below(root, "stubborn")));
    CHECK(runs("4321[1]"));
    begin = seconds();
    WORKS(containerv_destroy(container));
    CHECK(seconds() - begin < 30);
    CHECK(!runs("4321[1]"));
    CHECK(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD);
}

static void nothing_to_wait_for(void)
{
    struct containerv_container* container = make(USUAL);
    double                       begin;

    WORKS(shell(container, "exit 0"));
    begin = seconds();
    WORKS(containerv_destroy(container));
    CHECK(getenv("UNDER_VALGRIND") != NULL || seconds() - begin < 0.4);
}

/* The creator gets SIGKILL: nobody can tidy up, and the container ends all the same. */
static void with_its_creator(void)
{
    int   ends[2];
    pid_t creator;
    char  byte = 0;
    int   i;

    CHECK(pipe(ends) == 0);
    fflush(stdout);
    creator = fork();
    if (creator == 0) {
        struct containerv_options*      options = containerv_options_new();
        struct containerv_container*    container = NULL;
        struct containerv_spawn_options how;

        memset(&how, 0, sizeof how);
        how.arguments = "54322";
        containerv_options_set_caps(options, USUAL);
        if (containerv_create(root, options, &container) != 0 ||
            containerv_spawn(container, "/bin/sleep", &how, NULL) != 0 || write(ends[1], "x", 1) != 1) {
            _exit(1);
        }
        pause();
        _exit(1);
    }
    CHECK(read(ends[0], &byte, 1) == 1 && byte == 'x');
    CHECK(runs("5432[2]"));
    CHECK(kill(creator, SIGKILL) == 0 && waitpid(creator, NULL, 0) == creator);
    for (i = 0; i < 500 && runs("5432[2]"); i++) {
        nap(10);
    }
    CHECK(!runs("5432[2]"));
}

/* Its first process is killed from outside. */
static void behind_the_librarys_back(void)
{
    struct containerv_container* container = make(USUAL);
    char                         path[64], children[256];
    char*                        rest = children;
    long                         child;

    snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
    snprintf(children, sizeof children, "%s", contents(path));
    while ((child = strtol(rest, &rest, 10)) > 0) {
        CHECK(kill((pid_t)child, SIGKILL) == 0);
    }
    nap(200);
    FAILS(containerv_spawn(container, "/bin/true", NULL, NULL), ESRCH);
    WORKS(containerv_destroy(container));
}

int main(int argc, char** argv)
{
    start(argc, argv);
    processes_get_a_chance();
    deaf_processes_and_orphans_end_too(USUAL);
    deaf_processes_and_orphans_end_too(CV_CAP_FILESYSTEM);
    nothing_to_wait_for();
    behind_the_librarys_back();
    with_its_creator();
    return finish();
}
