/* Processes that fork while the library is loaded and in use. */
#include "check.h"

static volatile int stop;

static void handles_do_not_survive(void)
{
    struct containerv_container* container = make(USUAL);
    struct containerv_options*   options = containerv_options_new();
    pid_t                        child = fork();

    if (child == 0) {
        struct containerv_container* own = NULL;

        FAILS(containerv_destroy(container), EINVAL);
        FAILS(containerv_spawn(container, "/bin/true", NULL, NULL), EINVAL);
        FAILS(containerv_create(root, options, &own), EINVAL);
        CHECK(containerv_id(container) == NULL);
        containerv_options_delete(options);
        /* The child may have containers of its own. */
        own = make(USUAL);
        CHECK(own != container);
        WORKS(shell(own, "echo child > /child"));
        WORKS(containerv_destroy(own));
        leave_child();
    }
    join_child(child);
    HOLDS(below(root, "child"), "child");
    WORKS(shell(container, "echo parent > /parent"));
    HOLDS(below(root, "parent"), "parent");
    WORKS(containerv_destroy(container));
    containerv_options_delete(options);
}

/* A container ends with its maker, not with a process that the maker forked. */
static void a_child_that_goes_on_does_not_keep_it(void)
{
    struct containerv_container* container = make(USUAL);
    int                          ends[2];
    pid_t                        child;
    char                         byte;

    CHECK(pipe(ends) == 0);
    child = fork();
    if (child == 0) {
        close(ends[1]);
        byte = (char)read(ends[0], &byte, 1);
        leave_child();
    }
    close(ends[0]);
    WORKS(containerv_destroy(container));
    close(ends[1]);
    join_child(child);
}

static void* fork_all_the_time(void* argument)
{
    pid_t children[400];
    int   count = 0, i;

    (void)argument;
    while (!stop && count < 400) {
        pid_t child = fork();

        if (child == 0) {
            /* Holds copies of all descriptors, as a server's child that never executes does. */
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            for (;;) {
                pause();
            }
        }
        children[count++] = child;
        nap(1);
    }
    while (!stop) {
        nap(5);
    }
    for (i = 0; i < count; i++) {
        kill(children[i], SIGKILL);
        waitpid(children[i], NULL, 0);
    }
    return NULL;
}

/* A forked process holds copies of whatever the library has open at that moment. */
static void calls_do_not_wait_for_forked_processes(void)
{
    pthread_t thread;
    int       i;

    CHECK(pthread_create(&thread, NULL, fork_all_the_time, NULL) == 0);
    for (i = 0; i < 12; i++) {
        struct containerv_container* container = make(USUAL);

        WORKS(shell(container, "exit 0"));
        WORKS(shell(container, "exit 0"));
        WORKS(containerv_destroy(container));
    }
    stop = 1;
    CHECK(pthread_join(thread, NULL) == 0);
}

int main(int argc, char** argv)
{
    start(argc, argv);
    handles_do_not_survive();
    a_child_that_goes_on_does_not_keep_it();
    calls_do_not_wait_for_forked_processes();
    return finish();
}
