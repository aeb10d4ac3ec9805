/* How containers end: with grace, all at once, and with their creator. */
#include "check.h"

#include <dirent.h>

/* How long sleepers of this run sleep: a number by which they are found among all processes. */
static char sleep_time[32];

/* Whether a sleeper of this run is somewhere on the machine. */
static int sleeper_runs(void)
{
    char  command[256], text[64] = "";
    FILE* found;
    int   any;

    /* The bracket keeps the command lines of shell and grep, which hold the pattern, from fitting. */
    snprintf(command, sizeof command, "grep -lsz -e '[7]%s' /proc/[0-9]*/cmdline 2>/dev/null", sleep_time + 1);
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
    char                            script[256];
    double                          begin;

    unlink(below(root, "stubborn"));
    memset(&how, 0, sizeof how);
    snprintf(script, sizeof script, "-c \"trap '' TERM; (trap '' TERM; sleep %s & sleep %s) & echo > /stubborn; sleep %s\"",
             sleep_time, sleep_time, sleep_time);
    how.arguments = script;
    WORKS(containerv_spawn(container, "/bin/sh", &how, NULL));
    CHECK(appears(below(root, "stubborn")));
    CHECK(sleeper_runs());
    begin = seconds();
    WORKS(containerv_destroy(container));
    CHECK(seconds() - begin < 30);
    CHECK(!sleeper_runs());
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
    int   ends[2], last[2];
    pid_t creator, heir;
    char  byte = 0;
    int   i;

    CHECK(pipe(ends) == 0 && pipe(last) == 0);
    fflush(stdout);
    creator = fork();
    if (creator == 0) {
        struct containerv_options*      options = containerv_options_new();
        struct containerv_container*    container = NULL;
        struct containerv_spawn_options how;

        close(last[1]);
        memset(&how, 0, sizeof how);
        how.arguments = sleep_time;
        containerv_options_set_caps(options, USUAL);
        /* Its own child holds copies of all descriptors, and lives on. */
        heir = containerv_create(root, options, &container) == 0 ? fork() : -1;
        if (heir == 0) {
            close(ends[1]);
            (void)!read(last[0], &byte, 1);
            _exit(0);
        }
        if (heir == -1 ||
            containerv_spawn(container, "/bin/sleep", &how, NULL) != 0 || write(ends[1], "x", 1) != 1) {
            _exit(1);
        }
        pause();
        _exit(1);
    }
    CHECK(read(ends[0], &byte, 1) == 1 && byte == 'x');
    CHECK(sleeper_runs());
    CHECK(kill(creator, SIGKILL) == 0 && waitpid(creator, NULL, 0) == creator);
    for (i = 0; i < 500 && sleeper_runs(); i++) {
        nap(10);
    }
    CHECK(!sleeper_runs());
    close(last[0]);
    close(last[1]);
}

static void* creates(void* argument)
{
    (void)argument;
    return make(USUAL);
}

/* It is the process that a container ends with, not the thread. */
static void a_thread_that_has_ended(void)
{
    struct containerv_container* container = NULL;
    void*                        made = NULL;
    pthread_t                    thread;

    CHECK(pthread_create(&thread, NULL, creates, NULL) == 0 && pthread_join(thread, &made) == 0);
    container = (struct containerv_container*)made;
    nap(300);
    WORKS(shell(container, "echo > /outlives"));
    CHECK(access(below(root, "outlives"), F_OK) == 0);
    WORKS(containerv_destroy(container));
}

/* Kills every process of the machine that is in this process namespace. */
static int kill_all_in(const char* namespace)
{
    DIR*           processes = opendir("/proc");
    struct dirent* entry;
    int            killed = 0;

    while (processes != NULL && (entry = readdir(processes)) != NULL) {
        char    path[512], found[64] = "";
        ssize_t length;

        snprintf(path, sizeof path, "/proc/%s/ns/pid", entry->d_name);
        length = atoi(entry->d_name) > 0 ? readlink(path, found, sizeof found - 1) : -1;
        if (length > 0 && strcmp(found, namespace) == 0) {
            killed += kill(atoi(entry->d_name), SIGKILL) == 0;
        }
    }
    closedir(processes);
    return killed;
}

/* Its first process is killed from outside. */
static void behind_its_back(void)
{
    struct containerv_container* container = make(USUAL);

    WORKS(shell(container, "readlink /proc/self/ns/pid > /namespace"));
    CHECK(kill_all_in(contents(below(root, "namespace"))) == 1);
    nap(200);
    FAILS(containerv_spawn(container, "/bin/true", NULL, NULL), ESRCH);
    WORKS(containerv_destroy(container));
}

int main(int argc, char** argv)
{
    start(argc, argv);
    snprintf(sleep_time, sizeof sleep_time, "7%09d", (int)getpid());
    processes_get_a_chance();
    deaf_processes_and_orphans_end_too(USUAL);
    deaf_processes_and_orphans_end_too(CV_CAP_FILESYSTEM);
    nothing_to_wait_for();
    a_thread_that_has_ended();
    behind_its_back();
    with_its_creator();
    return finish();
}
