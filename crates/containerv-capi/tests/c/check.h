/* What the test programs share: checks that go on, a container, and looks into its root. */
#ifndef CHECK_H
#define CHECK_H

#ifdef _WIN32
#include "check-windows.h"
#else
#include "check-linux.h"
#endif

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A value that no function of the library sets. */
#define UNTOUCHED 4711

#define USUAL (CV_CAP_FILESYSTEM | CV_CAP_PROCESS_CONTROL | CV_CAP_IPC)

static int         checks, failures;
static const char *root, *scratch;

static inline void check(int good, const char* what, const char* file, int line)
{
    checks++;
    if (!good) {
        failures++;
        fprintf(stderr, "%s:%d: %s (errno %d, %s)\n", file, line, what, errno, strerror(errno));
    }
}

#define CHECK(condition) check((condition) ? 1 : 0, #condition, __FILE__, __LINE__)

/* The call succeeds and leaves errno alone. */
#define WORKS(call)                                                                  \
    do {                                                                             \
        int result_;                                                                 \
        errno = UNTOUCHED;                                                           \
        result_ = (call);                                                            \
        check(result_ == 0 && errno == UNTOUCHED, #call " works", __FILE__, __LINE__); \
    } while (0)

/* The call fails with -1 and this errno. */
#define FAILS(call, number)                                                                          \
    do {                                                                                             \
        int result_;                                                                                 \
        errno = UNTOUCHED;                                                                           \
        result_ = (call);                                                                            \
        check(result_ == -1 && errno == (number), #call " fails with " #number, __FILE__, __LINE__); \
    } while (0)

static inline void start(int argc, char** argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: %s ROOTFS SCRATCH\n", argv[0]);
        exit(2);
    }
    root = argv[1];
    scratch = argv[2];
    /* By lines: the harness reads what a program has said that did not end well. */
    setvbuf(stdout, NULL, LINES, 0);
}

static inline int finish(void)
{
    if (failures == 0) {
        printf("%d checks passed\n", checks);
    }
    return failures == 0 ? 0 : 1;
}

/* Tells the harness of a container, which looks for its traces in the end. */
static inline void announce(struct containerv_container* container)
{
    if (container != NULL) {
        printf("container %s\n", containerv_id(container));
    }
}

static inline struct containerv_container* make(enum containerv_capabilities caps)
{
    struct containerv_container* container = NULL;
    struct containerv_options*   options = containerv_options_new();

    containerv_options_set_caps(options, caps);
    WORKS(containerv_create(root, options, &container));
    containerv_options_delete(options);
    announce(container);
    return container;
}

/* A path below a directory; the last 64 of them are valid. */
static inline const char* below(const char* directory, const char* name)
{
    static char paths[64][4096];
    static int  next;
    char*       path = paths[next++ % 64];

    snprintf(path, sizeof paths[0], "%s/%s", directory, name);
    return path;
}

/* A path of this machine for what containers know as /shared/NAME: on both systems it stays when a
   container has ended. */
static inline const char* shared(const char* name)
{
    char path[512];

    snprintf(path, sizeof path, "shared/%s", name);
    return below(root, path);
}

/* What a file holds, less the last newline; "(none)" if it is not there. */
static inline const char* contents(const char* path)
{
    static char texts[4][8192];
    static int  next;
    char*       text = texts[next++ % 4];
    FILE*       file = fopen(path, "r");
    size_t      length;

    if (file == NULL) {
        return "(none)";
    }
    length = fread(text, 1, sizeof texts[0] - 1, file);
    fclose(file);
    if (length > 0 && text[length - 1] == '\n') {
        length--;
    }
    text[length] = 0;
    return text;
}

static inline void put(const char* path, const char* text)
{
    FILE* file = fopen(path, "wb");

    CHECK(file != NULL);
    if (file != NULL) {
        fputs(text, file);
        fclose(file);
    }
}

static inline int same(const char* found, const char* expected)
{
    if (strcmp(found, expected) != 0) {
        fprintf(stderr, "found \"%s\", expected \"%s\"\n", found, expected);
        return 0;
    }
    return 1;
}

/* Whether a file holds this text. */
#define HOLDS(path, expected) CHECK(same(contents(path), expected))

/* Does what the words say in a container, with the program of inside.c, to its end. */
static inline int in(struct containerv_container* container, const char* words)
{
    struct containerv_spawn_options options;

    memset(&options, 0, sizeof options);
    options.arguments = words;
    options.flags = CV_SPAWN_WAIT;
    return containerv_spawn(container, INSIDE, &options, NULL);
}

/* The same without waiting for the end. */
static inline int begin_in(struct containerv_container* container, const char* words, process_handle_t* pid)
{
    struct containerv_spawn_options options;

    memset(&options, 0, sizeof options);
    options.arguments = words;
    return containerv_spawn(container, INSIDE, &options, pid);
}

/* Waits until a file is there; up to 20 seconds, for Valgrind is slow. */
static inline int appears(const char* path)
{
    int i;

    for (i = 0; i < 2000; i++) {
        if (exists(path)) {
            return 1;
        }
        nap(10);
    }
    return 0;
}

#ifndef _WIN32
/* Runs `script` in the shell of the container, to its end. */
static inline int shell(struct containerv_container* container, const char* script)
{
    char                            arguments[4096];
    struct containerv_spawn_options options;

    memset(&options, 0, sizeof options);
    snprintf(arguments, sizeof arguments, "-c \"%s\"", script);
    options.arguments = arguments;
    options.flags = CV_SPAWN_WAIT;
    return containerv_spawn(container, "/bin/sh", &options, NULL);
}

/* How many descriptors this process has open. */
static inline int descriptors(void)
{
    int count = 0, fd;

    for (fd = 0; fd < 1024; fd++) {
        count += fcntl(fd, F_GETFD) != -1;
    }
    return count;
}

/* Ends a forked process with what was checked in it. */
static inline void leave_child(void)
{
    fflush(stdout);
    _exit(failures == 0 ? 0 : 1);
}

static inline void join_child(pid_t child)
{
    int status = -1;

    CHECK(child > 0);
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}
#endif

#endif
