/* Opens the program of every process that it sees, and tries to write to it, at once and again
 * when the process may have ended, until `/stop` exists. Prints how often which succeeded. */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HELD 64

static int held[HELD], next;
static unsigned long opened, refused, written;

static void overwrite(const char *path)
{
	int file = open(path, O_WRONLY | O_CLOEXEC);
	if (file < 0)
		return;
	if (write(file, "#!/grabbed\n", 11) > 0)
		written++;
	close(file);
}

/* The programs of the container itself may be written; they are not what is looked for. */
static int is_own(int file)
{
	static const char *own[] = {"/bin/busybox", "/bin/grab"};
	struct stat found, known;
	if (fstat(file, &found) != 0)
		return 1;
	for (unsigned i = 0; i < sizeof own / sizeof *own; i++)
		if (stat(own[i], &known) == 0 && known.st_dev == found.st_dev && known.st_ino == found.st_ino)
			return 1;
	return 0;
}

static void look_at(const char *pid)
{
	char path[64];
	snprintf(path, sizeof path, "/proc/%.20s/exe", pid);
	int file = open(path, O_RDONLY | O_CLOEXEC);
	if (file < 0) {
		refused++;
		return;
	}
	if (is_own(file)) {
		close(file);
		return;
	}
	opened++;
	overwrite(path);
	if (held[next] > 0)
		close(held[next]);
	held[next] = file;
	next = (next + 1) % HELD;
}

int main(void)
{
	puts("ready");
	fflush(stdout);
	while (access("/stop", F_OK) != 0) {
		DIR *all = opendir("/proc");
		for (struct dirent *entry; all && (entry = readdir(all));)
			if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9')
				look_at(entry->d_name);
		if (all)
			closedir(all);
		for (int i = 0; i < HELD; i++) {
			char path[64];
			snprintf(path, sizeof path, "/proc/self/fd/%d", held[i]);
			if (held[i] > 0)
				overwrite(path);
		}
	}
	printf("opened %lu refused %lu written %lu\n", opened, refused, written);
	return 0;
}
