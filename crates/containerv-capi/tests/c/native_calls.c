/*
 * Preloaded into programs that run under Valgrind: makes some system calls on the real processor.
 *
 * Valgrind answers ENOSYS to calls that it does not know, which in 3.19 are pidfd_open(2),
 * openat2(2), seccomp(2) and others that the library cannot do without. They write no memory, so
 * nothing escapes Valgrind by this.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/types.h>

#include <valgrind/valgrind.h>

/* pidfd_send_signal: the first number that all architectures share, and younger than Valgrind. */
#define FIRST_NATIVE 424
#define SECCOMP 317
#define PIDFD_SEND_SIGNAL 424
#define PIDFD_OPEN 434

struct call {
    long number;
    long argument[6];
};

static long enter_kernel(const struct call* call)
{
    long          result = call->number;
    register long r10 __asm__("r10") = call->argument[3];
    register long r8 __asm__("r8") = call->argument[4];
    register long r9 __asm__("r9") = call->argument[5];

    __asm__ volatile("syscall"
                     : "+a"(result)
                     : "D"(call->argument[0]), "S"(call->argument[1]), "d"(call->argument[2]), "r"(r10), "r"(r8),
                       "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
}

static unsigned long native(unsigned long thread, struct call* call)
{
    (void)thread;
    return (unsigned long)enter_kernel(call);
}

static long make(const struct call* call)
{
    long result;

    if ((call->number >= FIRST_NATIVE || call->number == SECCOMP) && RUNNING_ON_VALGRIND) {
        result = (long)VALGRIND_NON_SIMD_CALL1(native, call);
    } else {
        result = enter_kernel(call);
    }
    if (result < 0 && result > -4096) {
        errno = (int)-result;
        return -1;
    }
    return result;
}

long syscall(long number, ...)
{
    struct call call = {number, {0}};
    va_list     list;
    int         i;

    va_start(list, number);
    for (i = 0; i < 6; i++) {
        call.argument[i] = va_arg(list, long);
    }
    va_end(list);
    return make(&call);
}

int pidfd_open(pid_t pid, unsigned int flags)
{
    struct call call = {PIDFD_OPEN, {pid, flags}};
    return (int)make(&call);
}

int pidfd_send_signal(int pidfd, int signal, void* information, unsigned int flags)
{
    struct call call = {PIDFD_SEND_SIGNAL, {pidfd, signal, (long)information, flags}};
    return (int)make(&call);
}
