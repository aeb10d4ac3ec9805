/* Any thread, at any time; destroying from another thread, also one that waits for a signal. */
#include "check.h"

/* A container of the stand-ins takes a second where one of Linux takes milliseconds. */
#ifdef _WIN32
#define THREADS 4
#define ROUNDS 1
#else
#define THREADS 16
#define ROUNDS 2
#endif

static void* whole_lives(void* argument)
{
    size_t wrong = 0;
    int    i;

    (void)argument;
    for (i = 0; i < ROUNDS; i++) {
        struct containerv_container* container = NULL;
        struct containerv_options*   options = containerv_options_new();

        containerv_options_set_caps(options, USUAL);
        wrong += containerv_create(root, options, &container) != 0;
        containerv_options_delete(options);
        announce(container);
        wrong += in(container, "exit 3") != 0;
        wrong += containerv_destroy(container) != 0;
    }
    return (void*)wrong;
}

static void many_containers(void)
{
    pthread_t threads[THREADS];
    int       i;

    for (i = 0; i < THREADS; i++) {
        CHECK(pthread_create(&threads[i], NULL, whole_lives, NULL) == 0);
    }
    for (i = 0; i < THREADS; i++) {
        void* wrong = NULL;

        CHECK(pthread_join(threads[i], &wrong) == 0 && wrong == NULL);
    }
}

static void* many_processes_of(void* container)
{
    size_t wrong = 0;
    int    i;

    for (i = 0; i < ROUNDS * 3; i++) {
        wrong += in(container, "exit 0") != 0;
    }
    return (void*)wrong;
}

static void one_container(void)
{
    struct containerv_container* container = make(USUAL);
    pthread_t                    threads[THREADS];
    int                          i;

    for (i = 0; i < THREADS; i++) {
        CHECK(pthread_create(&threads[i], NULL, many_processes_of, container) == 0);
    }
    for (i = 0; i < THREADS; i++) {
        void* wrong = NULL;

        CHECK(pthread_join(threads[i], &wrong) == 0 && wrong == NULL);
    }
    WORKS(containerv_destroy(container));
}

static void* long_wait(void* container)
{
    return in(container, "write /shared/waiting yes + sleep 600000") == 0 ? NULL : container;
}

/* While one thread waits, others use the container, and one of them destroys it. */
static void other_calls_go_on(void)
{
    struct containerv_container* container = make(USUAL);
    const char*                  name;
    const char*                  inside = "/shared/uploaded";
    pthread_t                    thread;
    void*                        wrong = container;

    unlink(shared("waiting"));
    CHECK(pthread_create(&thread, NULL, long_wait, container) == 0);
    CHECK(appears(shared("waiting")));
    put(below(scratch, "hello"), "hello");
    name = below(scratch, "hello");
    WORKS(in(container, "write /shared/here yes"));
    WORKS(containerv_upload(container, &name, &inside, 1));
    HOLDS(shared("uploaded"), "hello");
    WORKS(containerv_destroy(container));
    CHECK(pthread_join(thread, &wrong) == 0 && wrong == NULL);
    FAILS(containerv_destroy(container), EINVAL);
}

static void* destroyer(void* container)
{
    int result = containerv_destroy(container);

    return (void*)(size_t)(result == 0 ? 0 : errno);
}

/* Of several calls at the same time one works, and the others say why not. */
static void many_destroyers(void)
{
    struct containerv_container* container = make(USUAL);
    pthread_t                    threads[THREADS];
    int                          i, worked = 0, refused = 0;

    for (i = 0; i < THREADS; i++) {
        CHECK(pthread_create(&threads[i], NULL, destroyer, container) == 0);
    }
    for (i = 0; i < THREADS; i++) {
        void* number = NULL;

        CHECK(pthread_join(threads[i], &number) == 0);
        worked += number == NULL;
        refused += number == (void*)(size_t)EINVAL;
    }
    CHECK(worked == 1 && refused == THREADS - 1);
}

#ifndef _WIN32
static void* wait_for_signal(void* container)
{
    sigset_t wanted;
    int      number = 0;

    sigemptyset(&wanted);
    sigaddset(&wanted, SIGINT);
    if (sigwait(&wanted, &number) != 0 || number != SIGINT) {
        return container;
    }
    return destroyer(container);
}

static void destroyed_by_the_thread_of_signals(void)
{
    struct containerv_container* container = make(USUAL);
    sigset_t                     blocked, before;
    pthread_t                    thread;
    void*                        wrong = container;

    sigemptyset(&blocked);
    sigaddset(&blocked, SIGINT);
    CHECK(pthread_sigmask(SIG_BLOCK, &blocked, &before) == 0);
    CHECK(pthread_create(&thread, NULL, wait_for_signal, container) == 0);
    CHECK(kill(getpid(), SIGINT) == 0);
    CHECK(pthread_join(thread, &wrong) == 0 && wrong == NULL);
    CHECK(pthread_sigmask(SIG_SETMASK, &before, NULL) == 0);
    FAILS(containerv_destroy(container), EINVAL);
}
#endif

int main(int argc, char** argv)
{
    start(argc, argv);
    many_containers();
    one_container();
    other_calls_go_on();
    many_destroyers();
#ifndef _WIN32
    destroyed_by_the_thread_of_signals();
#endif
    return finish();
}
