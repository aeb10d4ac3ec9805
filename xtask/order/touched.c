/*
 * Runs a static program at a fixed address and tells which of its code and constants it used.
 *
 *   touched OUT PROGRAM [ARGUMENT..]
 *
 * The program runs one instruction at a time. Appended to OUT, one a line and hexadecimal, are the
 * addresses of the instructions, and those of constants that were in a register or are written in an
 * instruction. Children of the program count until they execute another one.
 *
 * This takes no decoder: four bytes at any place of an instruction that are an address of a constant,
 * or its distance, are hardly ever anything else. Constants count whose address is only handed on. No
 * sampler sees what runs once, and valgrind knows too few system calls.
 */
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#define FOLLOWED (PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACEEXEC)

#define LONGEST_INSTRUCTION 15

/* A part of the program as it lies in memory, with a mark for each byte that was met. */
struct part {
    unsigned long start;
    unsigned long size;
    off_t place;
    unsigned char* met;
};

static struct part code, constants;
static unsigned char* instructions;

static void fail(const char* what)
{
    fprintf(stderr, "touched: %s: %s\n", what, strerror(errno));
    exit(125);
}

/* Finds the two parts by the program headers; the constants are in the largest part that can only be read. */
static void read_parts(const char* path)
{
    Elf64_Ehdr header;
    Elf64_Phdr segment;
    int file = open(path, O_RDONLY | O_CLOEXEC);

    if (file < 0 || pread(file, &header, sizeof(header), 0) != sizeof(header))
        fail(path);
    for (size_t at = 0; at < header.e_phnum; at++) {
        off_t place = (off_t)(header.e_phoff + at * sizeof(segment));
        struct part* part;

        if (pread(file, &segment, sizeof(segment), place) != sizeof(segment))
            fail(path);
        part = segment.p_flags & PF_X ? &code : &constants;
        if (segment.p_type != PT_LOAD || segment.p_flags & PF_W || segment.p_filesz < part->size)
            continue;
        part->start = segment.p_vaddr;
        part->size = segment.p_filesz;
        part->place = (off_t)segment.p_offset;
    }
    code.met = calloc(1, code.size);
    constants.met = calloc(1, constants.size);
    instructions = calloc(1, code.size + LONGEST_INSTRUCTION);
    if (!code.met || !constants.met || !instructions)
        fail("memory");
    if (pread(file, instructions, code.size, code.place) != (ssize_t)code.size)
        fail(path);
    close(file);
}

static void meet(struct part* part, unsigned long address)
{
    if (address - part->start < part->size)
        part->met[address - part->start] = 1;
}

static void look(pid_t process)
{
    struct user_regs_struct it;

    /* It may have been killed since it stopped. */
    if (ptrace(PTRACE_GETREGS, process, 0, &it))
        return;
    unsigned long general[] = { it.rax, it.rbx, it.rcx, it.rdx, it.rsi, it.rdi, it.rbp, it.r8, it.r9, it.r10, it.r11,
        it.r12, it.r13, it.r14, it.r15 };

    meet(&code, it.rip);
    for (size_t at = 0; at < sizeof(general) / sizeof(*general); at++)
        meet(&constants, general[at]);
}

/* Lets a stopped process go on: with its signal, or alone if it is another program now. */
static void resume(pid_t process, int status)
{
    int signal = WSTOPSIG(status), event = status >> 16;

    if (event == PTRACE_EVENT_EXEC) {
        ptrace(PTRACE_DETACH, process, 0, 0);
        return;
    }
    look(process);
    if (event || signal == SIGSTOP || signal == SIGTRAP)
        signal = 0;
    ptrace(PTRACE_SINGLESTEP, process, 0, signal);
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

/* The constants that are written in the instructions that ran: as an address, or as a distance from
 * the next instruction, which begins behind the four bytes or behind another operand. */
static void meet_operands(void)
{
    for (unsigned long at = 0; at < code.size; at++) {
        if (!code.met[at])
            continue;
        for (unsigned long byte = 1; byte <= LONGEST_INSTRUCTION - sizeof(int); byte++) {
            int value;

            memcpy(&value, instructions + at + byte, sizeof(value));
            meet(&constants, (unsigned long)value);
            meet(&constants, code.start + at + byte + sizeof(value) + (unsigned long)value);
        }
    }
}

static void write_part(FILE* out, const struct part* part)
{
    for (unsigned long at = 0; at < part->size; at++)
        if (part->met[at])
            fprintf(out, "%lx\n", part->start + at);
}

int main(int argc, char** argv)
{
    int status, result;
    pid_t program;
    FILE* out;

    if (argc < 3) {
        fprintf(stderr, "usage: touched OUT PROGRAM [ARGUMENT..]\n");
        return 125;
    }
    read_parts(argv[2]);
    program = fork();
    if (program < 0)
        fail("fork");
    if (program == 0) {
        ptrace(PTRACE_TRACEME, 0, 0, 0);
        execv(argv[2], argv + 2);
        fail(argv[2]);
    }
    if (waitpid(program, &status, 0) < 0 || !WIFSTOPPED(status))
        fail("the program did not start");
    if (ptrace(PTRACE_SETOPTIONS, program, 0, FOLLOWED))
        fail("options");
    ptrace(PTRACE_SINGLESTEP, program, 0, 0);
    result = follow(program);
    out = fopen(argv[1], "a");
    if (!out)
        fail(argv[1]);
    meet_operands();
    write_part(out, &code);
    write_part(out, &constants);
    return fclose(out) ? 125 : result;
}
