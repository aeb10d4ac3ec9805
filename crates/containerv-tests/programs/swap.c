/* Exchanges paths with each other, each pair in turn, until `/stop` exists:
 * `swap A B C D...`, and back again. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

int main(int count, char **paths)
{
	puts("ready");
	fflush(stdout);
	while (access("/stop", F_OK) != 0)
		for (int i = 1; i + 1 < count; i += 2) {
			/* There and back, and a while as it was, so that some attempts pass. */
			for (int turn = 0; turn < 2; turn++) {
				renameat2(AT_FDCWD, paths[i], AT_FDCWD, paths[i + 1], RENAME_EXCHANGE);
				for (volatile int spin = 0; spin < 100000; spin++)
					;
			}
			usleep(100);
		}
	return 0;
}
