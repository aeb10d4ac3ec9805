/* Makes system calls through each table of the machine, each in a process of its own, and prints
 * `TABLE NAME RESULT` for each: 0, the name of an error number, or the signal that it ended by. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct call {
	const char *name;
	/* Numbers in the native table and in that of i386, -1 for none. */
	long native, i386;
	long arguments[5];
};

/* Read by socketcall(2) with 32-bit words; static data lies below 4 GiB. */
static unsigned int vsock[3] = {40, 1, 0}, alg[3] = {38, 5, 0};

#define NEWUSER 0x10000000

static struct call calls[] = {
	{"add_key", 248, 286, {0}},
	{"request_key", 249, 287, {0}},
	{"keyctl", 250, 288, {99999}},
	{"io_uring_setup", 425, 425, {0}},
	{"perf_event_open", 298, 336, {0}},
	{"userfaultfd", 323, 374, {1}},
	{"open_tree", 428, 428, {-1}},
	{"setns", 308, 346, {-1}},
	{"unshare", 272, 310, {NEWUSER}},
	{"personality", 135, 136, {0x1000000}},
	{"clone3", 435, 435, {0}},
	{"socket_vsock", 41, 359, {40, 1, 0}},
	{"socket_alg", 41, 359, {38, 5, 0}},
	{"socketcall_vsock", -1, 102, {1}},
	{"socketcall_alg", -1, 102, {1}},
	{"shmget", 29, 395, {0x7e57}},
	{"ipc_shmget", -1, 117, {23, 0x7e57}},
};

static long native(long number, const long *a)
{
	long result;
	register long d __asm__("r10") = a[3];
	register long e __asm__("r8") = a[4];
	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(number), "D"(a[0]), "S"(a[1]), "d"(a[2]), "r"(d), "r"(e)
			 : "rcx", "r11", "memory");
	return result;
}

static long i386(long number, const long *a)
{
	long result;
	__asm__ volatile("int $0x80"
			 : "=a"(result)
			 : "a"(number), "b"(a[0]), "c"(a[1]), "d"(a[2]), "S"(a[3]), "D"(a[4])
			 : "r8", "r9", "r10", "r11", "memory");
	return (int)result;
}

static long x32(long number, const long *a)
{
	return native(number | 0x40000000, a);
}

static void attempt(const char *table, long (*make)(long, const long *), const struct call *call, long number)
{
	int status;
	pid_t child = fork();
	if (child == 0) {
		long result = make(number, call->arguments);
		_exit(result < 0 && result > -256 ? (int)-result : 0);
	}
	if (child < 0 || waitpid(child, &status, 0) != child)
		_exit(99);
	if (WIFSIGNALED(status))
		printf("%s %s signal%d\n", table, call->name, WTERMSIG(status));
	else if (WEXITSTATUS(status) == 0)
		printf("%s %s 0\n", table, call->name);
	else
		printf("%s %s %s\n", table, call->name, strerrorname_np(WEXITSTATUS(status)));
	fflush(stdout);
}

int main(void)
{
	for (struct call *call = calls; call < calls + sizeof calls / sizeof *calls; call++) {
		if (strncmp(call->name, "socketcall", 10) == 0)
			call->arguments[1] = (long)(strstr(call->name, "vsock") ? vsock : alg);
		if (call->native >= 0) {
			attempt("x86_64", native, call, call->native);
			attempt("x32", x32, call, call->native);
		}
		attempt("i386", i386, call, call->i386);
	}
	return 0;
}
