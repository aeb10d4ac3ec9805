/*
 * Runs a static program at a fixed address and tells which of its functions were entered.
 *
 *   touched ADDRESSES OUT PROGRAM [ARGUMENT..]
 *
 * ADDRESSES has the functions' addresses, one a line, hexadecimal. Each becomes a breakpoint, which
 * is taken away when it is met for the first time; those that were met are appended to OUT. Children
 * of the program count until they execute another one.
 *
 * No sampler sees a function that runs once, and valgrind knows too few system calls.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#define BREAKPOINT 0xcc
#define FOLLOWED (PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACEEXEC)

struct function {
    unsigned long address;
    unsigned char first_byte;
    int entered;
};

static struct function* functions;
static size_t count;

static void fail(const char* what)
{
    fprintf(stderr, "touched: %s: %s\n", what, strerror(errno));
    exit(125);
}

static int by_address(const void* left, const void* right)
{
    const struct function *one = left, *other = right;
    return (one->address > other->address) - (one->address < other->address);
}

static void read_functions(const char* path)
{
    FILE* list = fopen(path, "r");
    unsigned long address;

    if (!list)
        fail(path);
    while (fscanf(list, "%lx", &address) == 1) {
        functions = realloc(functions, (count + 1) * sizeof(*functions));
        if (!functions)
            fail("memory");
        functions[count++] = (struct function) { .address = address };
    }
    fclose(list);
    qsort(functions, count, sizeof(*functions), by_address);
}

/* Writes one byte of the program, and returns what was there. */
static unsigned char poke(pid_t process, unsigned long address, unsigned char byte)
{
    long word;

    errno = 0;
    word = ptrace(PTRACE_PEEKTEXT, process, address, 0);
    if (errno || ptrace(PTRACE_POKETEXT, process, address, (word & ~0xffL) | byte))
        fail("a breakpoint");
    return (unsigned char)word;
}

/* Whether the stop is at one of the breakpoints; if so, the program can go on. */
static int enter(pid_t process)
{
    struct user_regs_struct registers;
    struct function key = { 0 }, *found;

    if (ptrace(PTRACE_GETREGS, process, 0, &registers))
        fail("registers");
    key.address = registers.rip - 1;
    found = bsearch(&key, functions, count, sizeof(key), by_address);
    if (!found)
        return 0;
    poke(process, found->address, found->first_byte);
    found->entered = 1;
    registers.rip = found->address;
    if (ptrace(PTRACE_SETREGS, process, 0, &registers))
        fail("registers");
    return 1;
}

/* Lets a stopped process go on: with its signal, or alone if it is another program now. */
static void resume(pid_t process, int status)
{
    int signal = WSTOPSIG(status), event = status >> 16;

    if (event == PTRACE_EVENT_EXEC) {
        ptrace(PTRACE_DETACH, process, 0, 0);
        return;
    }
    if (event || signal == SIGSTOP || (signal == SIGTRAP && enter(process)))
        signal = 0;
    ptrace(PTRACE_CONT, process, 0, signal);
}

static int follow(pid_t program)
{
    int status, code = 125;
    pid_t process;

    while ((process = waitpid(-1, &status, __WALL)) > 0) {
        if (WIFSTOPPED(status))
            resume(process, status);
        else if (process == program)
            code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }
    return code;
}

int main(int argc, char** argv)
{
    int status, code;
    pid_t program;
    FILE* out;

    if (argc < 4) {
        fprintf(stderr, "usage: touched ADDRESSES OUT PROGRAM [ARGUMENT..]\n");
        return 125;
    }
    read_functions(argv[1]);
    program = fork();
    if (program < 0)
        fail("fork");
    if (program == 0) {
        ptrace(PTRACE_TRACEME, 0, 0, 0);
        execv(argv[3], argv + 3);
        fail(argv[3]);
    }
    if (waitpid(program, &status, 0) < 0 || !WIFSTOPPED(status))
        fail("the program did not start");
    if (ptrace(PTRACE_SETOPTIONS, program, 0, FOLLOWED))
        fail("options");
    for (size_t at = 0; at < count; at++)
        functions[at].first_byte = poke(program, functions[at].address, BREAKPOINT);
    ptrace(PTRACE_CONT, program, 0, 0);
    code = follow(program);
    out = fopen(argv[2], "a");
    if (!out)
        fail(argv[2]);
    for (size_t at = 0; at < count; at++)
        if (functions[at].entered)
            fprintf(out, "%lx\n", functions[at].address);
    return fclose(out) ? 125 : code;
}
