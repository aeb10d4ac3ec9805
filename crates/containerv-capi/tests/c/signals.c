/* The library leaves signals and other children alone, and bears what the program does with them. */
#include "check.h"

static volatile sig_atomic_t children_seen;

static void reap_everything(int number)
{
    int saved = errno;

    (void)number;
    while (waitpid(-1, NULL, WNOHANG) > 0) {
        children_seen++;
    }
    errno = saved;
}

static void handlers_stay(void)
{
    struct containerv_container* container;
    struct sigaction             before[32], after;
    sigset_t                     mask_before, mask_after;
    int                          i;

    for (i = 1; i < 32; i++) {
        sigaction(i, NULL, &before[i]);
    }
    sigprocmask(SIG_BLOCK, NULL, &mask_before);
    container = make(USUAL);
    WORKS(shell(container, "exit 0"));
    WORKS(containerv_destroy(container));
    for (i = 1; i < 32; i++) {
        sigaction(i, NULL, &after);
        CHECK(after.sa_handler == before[i].sa_handler);
    }
    sigprocmask(SIG_BLOCK, NULL, &mask_after);
    for (i = 1; i < 32; i++) {
        CHECK(sigismember(&mask_before, i) == sigismember(&mask_after, i));
    }
}

static void other_children_are_not_taken(void)
{
    pid_t                        child = fork();
    struct containerv_container* container;

    if (child == 0) {
        _exit(0);
    }
    container = make(USUAL);
    WORKS(shell(container, "exit 0"));
    WORKS(containerv_destroy(container));
    join_child(child);
    CHECK(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD);
}

static void a_whole_life(void)
{
    struct containerv_container*    container = make(USUAL);
    struct containerv_spawn_options how;
    process_handle_t                pid = 0;

    memset(&how, 0, sizeof how);
    how.arguments = "600";
    WORKS(shell(container, "exit 0"));
    WORKS(containerv_spawn(container, "/bin/sleep", &how, &pid));
    WORKS(containerv_kill(container, pid));
    WORKS(shell(container, "sleep 0.1"));
    FAILS(containerv_kill(container, pid), ESRCH);
    WORKS(containerv_spawn(container, "/bin/sleep", &how, &pid));
    WORKS(containerv_destroy(container));
}

static void a_program_that_reaps_everything(void)
{
    struct sigaction action, before;

    memset(&action, 0, sizeof action);
    action.sa_handler = reap_everything;
    action.sa_flags = SA_RESTART;
    sigaction(SIGCHLD, &action, &before);
    a_whole_life();
    sigaction(SIGCHLD, &before, NULL);
    CHECK(children_seen > 0);
}

static void a_program_that_ignores_children(void)
{
    struct sigaction action, before;

    memset(&action, 0, sizeof action);
    action.sa_handler = SIG_IGN;
    sigaction(SIGCHLD, &action, &before);
    a_whole_life();
    sigaction(SIGCHLD, &before, NULL);
}

static void interrupt(int number)
{
    (void)number;
}

static void a_program_that_is_interrupted_all_the_time(void)
{
    struct sigaction  action, before;
    struct sigevent   event;
    struct itimerspec often = {{0, 2000000}, {0, 2000000}}, never = {{0, 0}, {0, 0}};
    timer_t           timer;

    memset(&action, 0, sizeof action);
    memset(&event, 0, sizeof event);
    action.sa_handler = interrupt;
    sigaction(SIGALRM, &action, &before);
    event.sigev_notify = SIGEV_SIGNAL;
    event.sigev_signo = SIGALRM;
    CHECK(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0);
    CHECK(timer_settime(timer, 0, &often, NULL) == 0);
    a_whole_life();
    CHECK(timer_settime(timer, 0, &never, NULL) == 0);
    timer_delete(timer);
    sigaction(SIGALRM, &before, NULL);
}

int main(int argc, char** argv)
{
    start(argc, argv);
    handlers_stay();
    other_children_are_not_taken();
    a_whole_life();
    a_program_that_reaps_everything();
    a_program_that_ignores_children();
    a_program_that_is_interrupted_all_the_time();
    return finish();
}
