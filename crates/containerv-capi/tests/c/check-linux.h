/* What only Linux has: descriptors, forks, and a shell in the container. Included by check.h. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <chef/containerv-user-linux.h>
#include <chef/containerv.h>

/* How output is buffered that is to come by lines. */
#define LINES _IOLBF

/* The program of inside.c in a container. */
#define INSIDE "/bin/inside"

static inline int exists(const char* path)
{
    return access(path, F_OK) == 0;
}

static inline double seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static inline void nap(int milliseconds)
{
    struct timespec rest = {milliseconds / 1000, milliseconds % 1000 * 1000000L};

    while (nanosleep(&rest, &rest) != 0 && errno == EINTR) {
    }
}
