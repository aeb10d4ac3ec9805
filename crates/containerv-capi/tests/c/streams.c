/* Standard streams of programs, and a caller that has none. */
#include "check.h"

static struct containerv_container* container;

static int run(const char* script)
{
    return shell(container, script);
}

/* Puts `fd` in the place of a standard stream; returns what was there. */
static int swap(int stream, int fd)
{
    int saved = fcntl(stream, F_DUPFD_CLOEXEC, 3);

    CHECK(saved > 2 && dup2(fd, stream) == stream);
    return saved;
}

static void put_back(int stream, int saved)
{
    CHECK(dup2(saved, stream) == stream);
    close(saved);
}

/* They are the creator's as they are at the time of the call. */
static void all_three_are_the_creators(void)
{
    int     in[2], out[2], err[2], saved[3];
    char    text[64] = "";
    ssize_t length;

    CHECK(pipe(in) == 0 && pipe(out) == 0 && pipe(err) == 0);
    CHECK(write(in[1], "question\n", 9) == 9);
    close(in[1]);
    fflush(stdout);
    saved[0] = swap(0, in[0]);
    saved[1] = swap(1, out[1]);
    saved[2] = swap(2, err[1]);
    errno = UNTOUCHED;
    length = run("read line; echo $line answered; echo complaint >&2");
    put_back(0, saved[0]);
    put_back(1, saved[1]);
    put_back(2, saved[2]);
    CHECK(length == 0 && errno == UNTOUCHED);
    CHECK(read(out[0], text, sizeof text - 1) > 0 && same(text, "question answered\n"));
    memset(text, 0, sizeof text);
    CHECK(read(err[0], text, sizeof text - 1) > 0 && same(text, "complaint\n"));
    close(in[0]);
    close(out[0]);
    close(out[1]);
    close(err[0]);
    close(err[1]);
}

/* Nothing else of the creator's reaches a program. */
static void other_descriptors_are_not_passed_on(void)
{
    int extra = open(scratch, O_RDONLY | O_DIRECTORY);

    CHECK(extra > 2);
    /* The shell's own descriptor is that of the pattern's directory. */
    WORKS(run("echo /proc/self/fd/* > /descriptors"));
    CHECK(strstr(contents(below(root, "descriptors")), "/fd/0 /proc/self/fd/1 /proc/self/fd/2") != NULL);
    CHECK(strlen(contents(below(root, "descriptors"))) <= strlen("/proc/self/fd/0") * 4 + 3);
    close(extra);
}

/* What a stream of a program is, as its own /proc tells. */
static const char* stream(int number)
{
    char script[128], name[32];

    snprintf(script, sizeof script, "found=$(readlink /proc/$$/fd/%d); echo $found > /stream%d", number, number);
    snprintf(name, sizeof name, "stream%d", number);
    WORKS(run(script));
    return contents(below(root, name));
}

static void close_streams(void)
{
    close(0);
    close(1);
    close(2);
}

/* A service that has closed its streams: programs get empty ones, and never a file of the library's. */
static void a_caller_without_streams(int closed_before)
{
    pid_t child;
    int   error;

    fflush(stdout);
    child = fork();
    if (child == 0) {
        struct containerv_options* options = containerv_options_new();

        containerv_options_set_caps(options, USUAL);
        error = fcntl(2, F_DUPFD_CLOEXEC, 10);
        if (closed_before) {
            close_streams();
        }
        WORKS(containerv_create(root, options, &container));
        close_streams();
        CHECK(same(stream(0), "/dev/null"));
        CHECK(same(stream(1), "/dev/null"));
        CHECK(same(stream(2), "/dev/null"));
        WORKS(run("cat > /read; echo nowhere; echo $? > /written"));
        FAILS(containerv_kill(container, 1), ESRCH);
        WORKS(containerv_destroy(container));
        containerv_options_delete(options);
        CHECK(dup2(error, 2) == 2);
        leave_child();
    }
    join_child(child);
    HOLDS(below(root, "written"), "0");
    HOLDS(below(root, "read"), "");
}

/* Explanations that cannot be written do no harm. */
static void a_full_error_stream(void)
{
    int full = open("/dev/full", O_WRONLY | O_CLOEXEC), saved, result, number;

    CHECK(full > 2);
    saved = swap(2, full);
    errno = UNTOUCHED;
    result = containerv_destroy(NULL);
    number = errno;
    put_back(2, saved);
    CHECK(result == -1 && number == EINVAL);
    close(full);
}

int main(int argc, char** argv)
{
    start(argc, argv);
    a_full_error_stream();
    a_caller_without_streams(1);
    a_caller_without_streams(0);
    container = make(USUAL);
    all_three_are_the_creators();
    other_descriptors_are_not_passed_on();
    WORKS(containerv_destroy(container));
    return finish();
}
