/*
 * Copies a file or a directory tree by copy_file_range(2), with owners, modes and times.
 *
 *   copyrange SOURCE DIRECTORY
 *
 * The copy is DIRECTORY/NAME-OF-SOURCE. Regular files and directories only: a program to measure
 * against and not one to use.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CHECK(call, name) ((call) < 0 ? fail(#call, name) : (void)0)

static void fail(const char* what, const char* name)
{
    fprintf(stderr, "copyrange: %s: %s: %s\n", name, what, strerror(errno));
    exit(1);
}

static void keep_attributes(int to, const struct stat* stat, const char* name)
{
    const struct timespec times[2] = {stat->st_atim, stat->st_mtim};

    CHECK(fchown(to, stat->st_uid, stat->st_gid), name);
    CHECK(fchmod(to, stat->st_mode & 07777), name);
    CHECK(futimens(to, times), name);
}

static void copy_data(int from, int to, const char* name)
{
    ssize_t copied;

    do {
        copied = copy_file_range(from, NULL, to, NULL, 1 << 30, 0);
        CHECK(copied, name);
    } while (copied > 0);
}

static void copy(int from_directory, const char* name, int to_directory);

/* Takes `from` over. */
static void copy_entries(int from, int to, const char* name)
{
    DIR* directory = fdopendir(from);
    struct dirent* entry;

    if (!directory)
        fail("fdopendir", name);
    while ((entry = readdir(directory)))
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            copy(from, entry->d_name, to);
    closedir(directory);
}

static void copy(int from_directory, const char* name, int to_directory)
{
    int from = openat(from_directory, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC), to;
    struct stat stat;

    CHECK(from, name);
    CHECK(fstat(from, &stat), name);
    if (S_ISDIR(stat.st_mode)) {
        CHECK(mkdirat(to_directory, name, 0700), name);
        to = openat(to_directory, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        CHECK(to, name);
        copy_entries(from, to, name);
        keep_attributes(to, &stat, name);
    } else {
        to = openat(to_directory, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        CHECK(to, name);
        copy_data(from, to, name);
        keep_attributes(to, &stat, name);
        close(from);
    }
    close(to);
}

int main(int argc, char** argv)
{
    char* slash;
    int from, to;

    if (argc != 3 || !(slash = strrchr(argv[1], '/')) || slash == argv[1]) {
        fprintf(stderr, "usage: copyrange /PATH/SOURCE DIRECTORY\n");
        return 2;
    }
    *slash = 0;
    from = open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CHECK(from, argv[1]);
    to = open(argv[2], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CHECK(to, argv[2]);
    copy(from, slash + 1, to);
    return 0;
}
