/*
 * Runs a command and measures it from outside: wall time from before the spawn to the end, and the
 * peak resident memory of the command and of its children that it waited for.
 *
 *   measure [-f] [-o FILE] [-n RUNS] [-p AT_ONCE] [-b FIRST] COMMAND..
 *   measure -k [-o FILE] COMMAND..
 *
 * Each `{}` in COMMAND becomes the run's number. One run prints `NANOSECONDS PEAK_KIB STATUS`;
 * several print the time from the first spawn to the last end, the highest peak and the first
 * status that is not 0. With -k the command runs once, and what it leaves behind becomes this
 * program's children; it then prints `left` and reaps until its input ends.
 *
 * It is C and static because a child's peak begins with its parent's size at the time of the spawn.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char** environ;

struct outcome {
    long peak_kib;
    int status;
};

static void fail(const char* what)
{
    fprintf(stderr, "measure: %s: %s\n", what, strerror(errno));
    exit(1);
}

static long long now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000LL + time.tv_nsec;
}

/* The word with each `{}` replaced by the number. */
static char* expand(const char* word, int number)
{
    char digits[16];
    size_t length = strlen(word);
    char* result = malloc(length * sizeof(digits) + 1);
    char* end = result;

    if (!result)
        fail("memory");
    snprintf(digits, sizeof(digits), "%d", number);
    while (*word) {
        if (word[0] == '{' && word[1] == '}') {
            end = stpcpy(end, digits);
            word += 2;
        } else {
            *end++ = *word++;
        }
    }
    *end = 0;
    return result;
}

static pid_t start(char** words, int number, int fifo, const char* output)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    struct sched_param parameter = {.sched_priority = 1};
    char* expanded[64];
    int count = 0, error;
    pid_t pid;

    for (; words[count] && count < 63; count++)
        expanded[count] = expand(words[count], number);
    expanded[count] = NULL;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 1, output, O_WRONLY | O_CREAT | O_APPEND, 0600);
    posix_spawn_file_actions_adddup2(&actions, 1, 2);
    posix_spawnattr_init(&attributes);
    if (fifo) {
        posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSCHEDULER);
        posix_spawnattr_setschedpolicy(&attributes, SCHED_FIFO);
        posix_spawnattr_setschedparam(&attributes, &parameter);
    }
    error = posix_spawnp(&pid, expanded[0], &actions, &attributes, expanded, environ);
    if (error) {
        errno = error;
        fail(expanded[0]);
    }
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    while (count--)
        free(expanded[count]);
    return pid;
}

static void reap_one(struct outcome* outcome)
{
    struct rusage usage;
    int status;
    pid_t pid;

    do
        pid = wait4(-1, &status, 0, &usage);
    while (pid < 0 && errno == EINTR);
    if (pid < 0)
        fail("wait4");
    if (usage.ru_maxrss > outcome->peak_kib)
        outcome->peak_kib = usage.ru_maxrss;
    if (!outcome->status)
        outcome->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* Becomes the parent of what the command leaves behind, until standard input ends. */
static int keep(char** words, const char* output)
{
    struct pollfd input = {.fd = 0, .events = POLLIN};
    int status = 0;
    pid_t pid;

    if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0))
        fail("PR_SET_CHILD_SUBREAPER");
    pid = start(words, 0, 0, output);
    if (waitpid(pid, &status, 0) != pid)
        fail("waitpid");
    printf("left %d\n", WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
    fflush(stdout);
    while (poll(&input, 1, 10) == 0)
        while (waitpid(-1, NULL, WNOHANG) > 0)
            ;
    return 0;
}

int main(int argc, char** argv)
{
    int option, fifo = 0, leave = 0, runs = 1, at_once = 1, first = 0, running = 0;
    const char* output = "/dev/null";
    struct outcome outcome = {0, 0};
    long long begin;

    while ((option = getopt(argc, argv, "+fko:n:p:b:")) != -1) {
        switch (option) {
        case 'f': fifo = 1; break;
        case 'k': leave = 1; break;
        case 'o': output = optarg; break;
        case 'n': runs = atoi(optarg); break;
        case 'p': at_once = atoi(optarg); break;
        case 'b': first = atoi(optarg); break;
        default: return 2;
        }
    }
    if (optind == argc) {
        fprintf(stderr, "measure: no command\n");
        return 2;
    }
    if (leave)
        return keep(argv + optind, output);
    begin = now();
    for (int run = 0; run < runs; run++) {
        if (running == at_once) {
            reap_one(&outcome);
            running--;
        }
        start(argv + optind, first + run, fifo, output);
        running++;
    }
    while (running--)
        reap_one(&outcome);
    printf("%lld %ld %d\n", now() - begin, outcome.peak_kib, outcome.status);
    return 0;
}
