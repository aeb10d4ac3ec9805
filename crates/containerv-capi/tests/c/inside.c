/*
 * Runs in a container of either system, and does what its words say, one thing after the other:
 *
 *     inside THING.. [+ THING..]..
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#ifdef _WIN32
#include <windows.h>
#else
#include <time.h>
#include <unistd.h>
#endif

static void give_up(const char* what)
{
    fprintf(stderr, "inside: %s: %s\n", what, strerror(errno));
    exit(90);
}

static void put(const char* path, const char* mode, const char* text)
{
    FILE* file = fopen(path, mode);

    if (file == NULL || fputs(text, file) < 0 || fclose(file) != 0) {
        give_up(path);
    }
}

static void copy(const char* from, const char* to)
{
    char   bytes[4096];
    FILE * in = fopen(from, "rb"), *out = fopen(to, "wb");
    size_t count;

    if (in == NULL || out == NULL) {
        give_up(in == NULL ? from : to);
    }
    while ((count = fread(bytes, 1, sizeof bytes, in)) > 0) {
        fwrite(bytes, 1, count, out);
    }
    fclose(in);
    if (fclose(out) != 0) {
        give_up(to);
    }
}

static void rest(int milliseconds)
{
#ifdef _WIN32
    Sleep((DWORD)milliseconds);
#else
    struct timespec time = {milliseconds / 1000, milliseconds % 1000 * 1000000L};

    while (nanosleep(&time, &time) != 0 && errno == EINTR) {
    }
#endif
}

/* The host's name, in lower case as both systems can have it. */
static void host(const char* path)
{
    char name[256] = "";
    int  i;
#ifdef _WIN32
    DWORD size = sizeof name;

    if (!GetComputerNameExA(ComputerNameDnsHostname, name, &size)) {
        give_up("the host's name");
    }
#else
    if (gethostname(name, sizeof name - 1) != 0) {
        give_up("the host's name");
    }
#endif
    for (i = 0; name[i] != 0; i++) {
        name[i] += name[i] >= 'A' && name[i] <= 'Z' ? 'a' - 'A' : 0;
    }
    put(path, "wb", name);
}

/* Answers each line of its input. */
static void answer(void)
{
    char line[256];

    while (fgets(line, sizeof line, stdin) != NULL) {
        line[strcspn(line, "\r\n")] = 0;
        printf("%s answered\n", line);
        fflush(stdout);
    }
}

static int is(const char* word, const char* name, int left, int needed)
{
    return strcmp(word, name) == 0 && left > needed;
}

int main(int argc, char** argv)
{
    int at = 1;

    while (at < argc) {
        char** word = argv + at;
        int    left = argc - at, used = 1;

        if (is(word[0], "write", left, 2)) {
            put(word[1], "wb", word[2]);
            used += 2;
        } else if (is(word[0], "append", left, 2)) {
            put(word[1], "ab", word[2]);
            used += 2;
        } else if (is(word[0], "copy", left, 2)) {
            copy(word[1], word[2]);
            used += 2;
        } else if (is(word[0], "host", left, 1)) {
            host(word[1]);
            used += 1;
        } else if (is(word[0], "sleep", left, 1)) {
            rest(atoi(word[1]));
            used += 1;
        } else if (is(word[0], "exit", left, 1)) {
            return atoi(word[1]);
        } else if (is(word[0], "say", left, 1)) {
            puts(word[1]);
            used += 1;
        } else if (is(word[0], "complain", left, 1)) {
            fprintf(stderr, "%s\n", word[1]);
            used += 1;
        } else if (is(word[0], "answer", left, 0)) {
            answer();
        } else {
            fprintf(stderr, "inside: `%s` is not known\n", word[0]);
            return 91;
        }
        at += used;
        at += at < argc && strcmp(argv[at], "+") == 0;
    }
    return 0;
}
