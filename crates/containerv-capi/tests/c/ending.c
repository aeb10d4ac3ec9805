/* How containers end: with grace, all at once, and with their creator. */
#include "check.h"

/* Seconds that are less than those for which something is waited. */
#ifdef _WIN32
#define LITTLE 60
#else
#include <dirent.h>

#define LITTLE 0.4
#endif

static void nothing_to_wait_for(void)
{
    struct containerv_container* container = make(USUAL);
    double                       begin;

    WORKS(in(container, "exit 0"));
    begin = seconds();
    WORKS(containerv_destroy(container));
    CHECK(getenv("UNDER_VALGRIND") != NULL || seconds() - begin < LITTLE);
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
    WORKS(in(container, "write /shared/outlives yes"));
    CHECK(exists(shared("outlives")));
    WORKS(containerv_destroy(container));
}

#ifdef _WIN32
/* What runs in the container ends at once, and a call that waits for it returns. */
static void running_processes_end_too(void)
{
    struct containerv_container* container = make(USUAL);
    process_handle_t             pid = NULL;
    HANDLE                       copy = NULL;
    DWORD                        code = 0;

    WORKS(begin_in(container, "write /shared/running yes + sleep 600000", &pid));
    CHECK(appears(shared("running")));
    /* The library's handle is closed by the call below. */
    CHECK(DuplicateHandle(GetCurrentProcess(), pid, GetCurrentProcess(), &copy, 0, FALSE, DUPLICATE_SAME_ACCESS));
    WORKS(containerv_destroy(container));
    CHECK(WaitForSingleObject(copy, 60000) == WAIT_OBJECT_0);
    CHECK(GetExitCodeProcess(copy, &code) && code != STILL_ACTIVE);
    CloseHandle(copy);
}

/* The creator is this program, started once more with a third argument; it gets no chance to tidy up. */
static void with_its_creator(const char* program)
{
    STARTUPINFOA        startup;
    PROCESS_INFORMATION creator;
    char                line[8192];
    int                 i;

    memset(&startup, 0, sizeof startup);
    startup.cb = sizeof startup;
    snprintf(line, sizeof line, "\"%s\" \"%s\" \"%s\" creator", program, root, scratch);
    CHECK(CreateProcessA(NULL, line, NULL, NULL, FALSE, 0, NULL, NULL, &startup, &creator));
    CHECK(appears(shared("beat")));
    CHECK(TerminateProcess(creator.hProcess, 1));
    CHECK(WaitForSingleObject(creator.hProcess, 60000) == WAIT_OBJECT_0);
    CloseHandle(creator.hProcess);
    CloseHandle(creator.hThread);
    /* Its process writes a letter every half second as long as it runs. */
    for (i = 0; i < 60; i++) {
        size_t before = strlen(contents(shared("beat")));

        nap(2000);
        if (strlen(contents(shared("beat"))) == before) {
            return;
        }
    }
    CHECK(!"the container has ended");
}

static int creator(void)
{
    struct containerv_options*   options = containerv_options_new();
    struct containerv_container* container = NULL;
    char                         words[4096] = "";
    int                          i;

    for (i = 0; i < 60; i++) {
        strcat(words, "append /shared/beat x + sleep 500 + ");
    }
    strcat(words, "exit 0");
    containerv_options_set_caps(options, USUAL);
    if (containerv_create(root, options, &container) != 0 || begin_in(container, words, NULL) != 0) {
        return 1;
    }
    nap(600000);
    return 1;
}
#else
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
#endif

int main(int argc, char** argv)
{
#ifdef _WIN32
    if (argc == 4) {
        start(argc - 1, argv);
        return creator();
    }
    start(argc, argv);
    running_processes_end_too();
    with_its_creator(argv[0]);
#else
    start(argc, argv);
    snprintf(sleep_time, sizeof sleep_time, "7%09d", (int)getpid());
    processes_get_a_chance();
    deaf_processes_and_orphans_end_too(USUAL);
    deaf_processes_and_orphans_end_too(CV_CAP_FILESYSTEM);
    behind_its_back();
    with_its_creator();
#endif
    nothing_to_wait_for();
    a_thread_that_has_ended();
    return finish();
}
