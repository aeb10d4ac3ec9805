/* containerv_spawn and containerv_kill. */
#include "check.h"

static struct containerv_container* container;

static int run(const char* path, const char* arguments, const char* const* environment, struct containerv_user* user)
{
    struct containerv_spawn_options options;

    memset(&options, 0, sizeof options);
    options.arguments = arguments;
    options.environment = environment;
    options.as_user = user;
    options.flags = CV_SPAWN_WAIT;
    return containerv_spawn(container, path, &options, NULL);
}

#ifdef _WIN32
#define ARGUMENTS "/bin/arguments.exe"

/* They follow the program on the line as they are. */
static void arguments(void)
{
    static const char* const table[] = {NULL, "", " ", "a b", "  a   b ", "\"a b\" c", "\"a", "--x=\"y z\"", "'a b'", "a\\ b", "a\tb"};
    char                     expected[128];
    size_t                   i;

    for (i = 0; i < sizeof table / sizeof table[0]; i++) {
        const char* text = table[i];

        unlink(shared("arguments"));
        WORKS(run(ARGUMENTS, text, NULL, NULL));
        snprintf(expected, sizeof expected, "C:\\bin\\arguments.exe%s%s", text == NULL ? "" : " ", text == NULL ? "" : text);
        HOLDS(shared("arguments"), expected);
    }
}

/* The container's own variables are there in any case, the caller's never. */
static void environment_and_directory(void)
{
    static const char* const some[] = {"FIRST=1", "SECOND=x y", NULL};
    static const char* const wrong[] = {"A=1", "no-equals-sign", NULL};

    CHECK(putenv("OF_THE_CALLER=1") == 0);
    WORKS(run(ARGUMENTS, NULL, some, NULL));
    CHECK(strstr(contents(shared("environment")), "|FIRST=1|") != NULL);
    CHECK(strstr(contents(shared("environment")), "|SECOND=x y|") != NULL);
    CHECK(strstr(contents(shared("environment")), "OF_THE_CALLER") == NULL);
    HOLDS(shared("directory"), "C:\\");
    WORKS(run(ARGUMENTS, NULL, NULL, NULL));
    CHECK(strstr(contents(shared("environment")), "FIRST") == NULL);
    CHECK(strstr(contents(shared("environment")), "SystemRoot=") != NULL);
    FAILS(run(ARGUMENTS, NULL, wrong, NULL), EINVAL);
}

static void paths(void)
{
    process_handle_t pid = (process_handle_t)UNTOUCHED;

    WORKS(run("bin\\arguments.exe", "x", NULL, NULL));
    HOLDS(shared("arguments"), "C:\\bin\\arguments.exe x");
    WORKS(run("C:\\bin\\arguments.exe", "y", NULL, NULL));
    HOLDS(shared("arguments"), "C:\\bin\\arguments.exe y");
    FAILS(run(NULL, NULL, NULL, NULL), EINVAL);
    FAILS(run("", NULL, NULL, NULL), EINVAL);
    FAILS(run("C:\\bin\\missing.exe", NULL, NULL, NULL), ENOENT);
    FAILS(run("C:\\bin\\\xff.exe", NULL, NULL, NULL), EINVAL);
    put(shared("plain.exe"), "text");
    FAILS(run("/shared/plain.exe", NULL, NULL, NULL), ENOEXEC);
    FAILS(containerv_spawn(container, "/bin/missing.exe", NULL, &pid), ENOENT);
    CHECK(pid == (process_handle_t)UNTOUCHED);
}

/* What the system's own functions say of a handle. */
static void handles(void)
{
    struct containerv_spawn_options options;
    process_handle_t                first = NULL, second = NULL;
    DWORD                           code = 0;

    memset(&options, 0, sizeof options);
    options.arguments = "exit -2147483640";
    options.flags = CV_SPAWN_WAIT;
    WORKS(containerv_spawn(container, INSIDE, &options, &first));
    CHECK(WaitForSingleObject(first, 0) == WAIT_OBJECT_0);
    CHECK(GetExitCodeProcess(first, &code) && code == 0x80000008);
    FAILS(containerv_kill(container, first), ESRCH);
    WORKS(begin_in(container, "write /shared/asleep yes + sleep 2000 + exit 300", &second));
    CHECK(second != NULL && second != first);
    CHECK(GetExitCodeProcess(second, &code) && code == STILL_ACTIVE);
    CHECK(WaitForSingleObject(second, 60000) == WAIT_OBJECT_0);
    CHECK(GetExitCodeProcess(second, &code) && code == 300);
    /* Still valid, and still telling. */
    CHECK(GetExitCodeProcess(first, &code) && code == 0x80000008);
}

/* Who ends the handle's process ends that in the container. */
static void ended_by_its_handle(void)
{
    process_handle_t pid = NULL;

    WORKS(begin_in(container, "write /shared/begun yes + sleep 3000 + write /shared/not-ended yes", &pid));
    CHECK(appears(shared("begun")));
    CHECK(TerminateProcess(pid, 7));
    CHECK(WaitForSingleObject(pid, 60000) == WAIT_OBJECT_0);
    nap(5000);
    CHECK(!exists(shared("not-ended")));
}
#else
#define ARGUMENTS "/bin/arguments"

static void arguments(void)
{
    static const char* const table[][2] = {
        {NULL, "/bin/arguments"},
        {"", "/bin/arguments"},
        {" ", "/bin/arguments"},
        {"a b", "/bin/arguments|a|b"},
        {"  a   b ", "/bin/arguments|a|b"},
        {"\"a b\" c", "/bin/arguments|a b|c"},
        {"\"a", "/bin/arguments|a"},
        {"\"\"", "/bin/arguments|"},
        {"a \"\" b", "/bin/arguments|a||b"},
        {"--x=\"y z\"", "/bin/arguments|--x=y z"},
        {"\"a\"b", "/bin/arguments|ab"},
        {"a\"b\"", "/bin/arguments|ab"},
        {"'a b'", "/bin/arguments|'a|b'"},
        {"a\\ b", "/bin/arguments|a\\|b"},
        {"a\tb", "/bin/arguments|a\tb"},
    };
    size_t i;

    for (i = 0; i < sizeof table / sizeof table[0]; i++) {
        unlink(shared("arguments"));
        WORKS(run("/bin/arguments", table[i][0], NULL, NULL));
        HOLDS(shared("arguments"), table[i][1]);
    }
}

static void environment_and_directory(void)
{
    static const char* const some[] = {"A=1", "B=x y", "EMPTY=", NULL};
    static const char* const none[] = {NULL};
    static const char* const wrong[] = {"A=1", "no-equals-sign", NULL};

    setenv("OF_THE_CALLER", "1", 1);
    WORKS(run("/bin/arguments", NULL, some, NULL));
    HOLDS(shared("environment"), "A=1|B=x y|EMPTY=|");
    HOLDS(shared("directory"), "/");
    WORKS(run("/bin/arguments", NULL, none, NULL));
    HOLDS(shared("environment"), "");
    WORKS(run("/bin/arguments", NULL, NULL, NULL));
    HOLDS(shared("environment"), "");
    FAILS(run("/bin/arguments", NULL, wrong, NULL), EINVAL);
}

static void paths(void)
{
    process_handle_t pid = UNTOUCHED;

    WORKS(run("bin/arguments", "x", NULL, NULL));
    HOLDS(shared("arguments"), "bin/arguments|x");
    FAILS(run(NULL, NULL, NULL, NULL), EINVAL);
    FAILS(run("", NULL, NULL, NULL), EINVAL);
    FAILS(run("arguments-of", NULL, NULL, NULL), ENOENT);
    FAILS(run("/bin/missing", NULL, NULL, NULL), ENOENT);
    FAILS(run("/bin", NULL, NULL, NULL), EACCES);
    put(below(root, "plain"), "text");
    FAILS(run("/plain", NULL, NULL, NULL), EACCES);
    CHECK(chmod(below(root, "plain"), 0755) == 0);
    FAILS(run("/plain", NULL, NULL, NULL), ENOEXEC);
    FAILS(containerv_spawn(container, "/bin/missing", NULL, &pid), ENOENT);
    CHECK(pid == UNTOUCHED);
}

#endif

static void nothing_but_a_path(void)
{
    int i;

    unlink(shared("arguments"));
    unlink(shared("directory"));
    WORKS(containerv_spawn(container, ARGUMENTS, NULL, NULL));
    /* It is not waited for: the last of its files tells that it is through. */
    CHECK(appears(shared("directory")));
    for (i = 0; i < 2000 && contents(shared("directory"))[0] == 0; i++) {
        nap(10);
    }
    CHECK(strstr(contents(shared("arguments")), "arguments") != NULL);
}

static void one_that_has_ended_by_itself(void)
{
    process_handle_t pid = 0;
    int              i, result = 0;

    WORKS(begin_in(container, "write /shared/over yes", &pid));
    CHECK(appears(shared("over")));
    /* It needs a moment from its last word to its end; killing it then is no failure either. */
    nap(500);
    for (i = 0; i < 20 && result == 0; i++) {
        result = containerv_kill(container, pid);
    }
    CHECK(result == -1 && errno == ESRCH);
}

static void flags(void)
{
    struct containerv_spawn_options options;

    memset(&options, 0, sizeof options);
    options.flags = (enum container_spawn_flags)0x2;
    FAILS(containerv_spawn(container, INSIDE, &options, NULL), EINVAL);
}

static void waiting(void)
{
    struct containerv_spawn_options options;
    process_handle_t                pid = 0;
    double                          begin = seconds();

    memset(&options, 0, sizeof options);
    options.arguments = "sleep 300";
    options.flags = CV_SPAWN_WAIT;
    WORKS(containerv_spawn(container, INSIDE, &options, &pid));
    CHECK(seconds() - begin >= 0.3);
    CHECK(pid != 0);
    FAILS(containerv_kill(container, pid), ESRCH);
    begin = seconds();
    WORKS(begin_in(container, "sleep 600000", &pid));
    CHECK(seconds() - begin < 60);
    WORKS(containerv_kill(container, pid));
    WORKS(in(container, "exit 1"));
}

static void killing(void)
{
    process_handle_t first = 0, second = 0;

    WORKS(begin_in(container, "write /shared/first yes + sleep 600000", &first));
    WORKS(begin_in(container, "sleep 600000", &second));
    CHECK(appears(shared("first")));
    CHECK(first != 0 && second != 0 && first != second);
    WORKS(containerv_kill(container, first));
    FAILS(containerv_kill(container, first), ESRCH);
    WORKS(containerv_kill(container, second));
    FAILS(containerv_kill(container, second), ESRCH);
    FAILS(containerv_kill(container, (process_handle_t)0), ESRCH);
    FAILS(containerv_kill(container, (process_handle_t)-1), ESRCH);
    FAILS(containerv_kill(container, (process_handle_t)99999), ESRCH);
}

static void streams(void)
{
    const char* output = below(scratch, "output");
    int         saved, file;

    fflush(stdout);
    saved = dup(1);
    file = open(output, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    CHECK(file != -1 && dup2(file, 1) != -1);
    WORKS(in(container, "say \"to the creator\""));
    dup2(saved, 1);
    close(saved);
    close(file);
    CHECK(strncmp(contents(output), "to the creator", strlen("to the creator")) == 0);
}

/* Standard input is the creator's as well: what is read there ends with it. */
static void input(void)
{
    const char* answers = below(scratch, "answers");
    int         saved[2], question, file;

    put(below(scratch, "question"), "question\n");
    fflush(stdout);
    saved[0] = dup(0);
    saved[1] = dup(1);
    question = open(below(scratch, "question"), O_RDONLY);
    file = open(answers, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    CHECK(question != -1 && file != -1 && dup2(question, 0) != -1 && dup2(file, 1) != -1);
    WORKS(in(container, "answer"));
    dup2(saved[0], 0);
    dup2(saved[1], 1);
    close(saved[0]);
    close(saved[1]);
    close(question);
    close(file);
    CHECK(strncmp(contents(answers), "question answered", strlen("question answered")) == 0);
}

static void large_arguments(void)
{
    /* 128 KiB are the longest argument on Linux, 32,766 characters the longest line on Windows. */
    size_t size = 30000;
    char*  text = malloc(size + 1);
    char*  huge = malloc(200001);

    memset(text, 'x', size);
    memcpy(text, "exit 0 ", strlen("exit 0 "));
    text[size] = 0;
    WORKS(in(container, text));
    memset(huge, 'x', 200000);
    huge[200000] = 0;
    FAILS(in(container, huge), E2BIG);
    free(text);
    free(huge);
}

#ifndef _WIN32
static void a_path_with_blanks_and_quotes(void)
{
    CHECK(link(below(root, "bin/arguments"), below(root, "bin/a \"b c")) == 0);
    WORKS(run("/bin/a \"b c", "d", NULL, NULL));
    HOLDS(shared("arguments"), "/bin/a \"b c|d");
}

/* Waiting is for the program, not for what it leaves behind. */
static void waiting_for_one_that_leaves_others(void)
{
    double begin = seconds();

    WORKS(run("/bin/sh", "-c \"sleep 600 > /dev/null 2>&1 & echo $! > /left\"", NULL, NULL));
    CHECK(seconds() - begin < 60);
    CHECK(atoi(contents(below(root, "left"))) > 1);
}

static void users(void)
{
    char                    name[] = "nobody";
    struct containerv_user* user = containerv_user_from(name, 1234, 5678);
    struct containerv_user* root_user = containerv_user_real();
    struct containerv_user  own = {NULL, 7, 8};
    struct containerv_user  too_large = {NULL, 4000000000u, 8};

    CHECK(mkdir(below(root, "open"), 0777) == 0 && chmod(below(root, "open"), 0777) == 0);
    WORKS(run("/bin/sh", "-c \"id > /open/a; grep ^Groups: /proc/self/status >> /open/a\"", NULL, user));
    HOLDS(below(root, "open/a"), "uid=1234 gid=5678\nGroups:\t ");
    WORKS(run("/bin/sh", "-c \"id > /open/b\"", NULL, &own));
    HOLDS(below(root, "open/b"), "uid=7 gid=8");
    WORKS(run("/bin/sh", "-c \"id > /open/c\"", NULL, root_user));
    HOLDS(below(root, "open/c"), "uid=0 gid=0");
    FAILS(run("/bin/true", NULL, NULL, &too_large), EINVAL);
    containerv_user_delete(user);
    containerv_user_delete(root_user);
}

static void asking_to_end(void)
{
    struct containerv_spawn_options options;
    process_handle_t                first = 0, second = 0;

    memset(&options, 0, sizeof options);
    options.arguments = "-c \"trap 'echo asked > /asked; exit 0' TERM; echo > /trapped; while true; do sleep 0.05; done\"";
    WORKS(containerv_spawn(container, "/bin/sh", &options, &first));
    CHECK(appears(below(root, "trapped")));
    options.arguments = "600";
    WORKS(containerv_spawn(container, "/bin/sleep", &options, &second));
    CHECK(first > 1 && second > 1 && first != second);
    WORKS(containerv_kill(container, first));
    CHECK(appears(below(root, "asked")));
    FAILS(containerv_kill(container, first), ESRCH);
    WORKS(containerv_kill(container, second));
    FAILS(containerv_kill(container, second), ESRCH);
    FAILS(containerv_kill(container, 1), ESRCH);
    FAILS(containerv_kill(container, 0), ESRCH);
    FAILS(containerv_kill(container, -1), ESRCH);
    FAILS(containerv_kill(container, 99999), ESRCH);
}

static void a_second_kill_of_one_that_goes_on_is_refused(void)
{
    struct containerv_spawn_options options;
    process_handle_t                pid = 0;

    memset(&options, 0, sizeof options);
    options.arguments = "-c \"trap '' TERM; echo > /deaf; while true; do sleep 0.05; done\"";
    WORKS(containerv_spawn(container, "/bin/sh", &options, &pid));
    CHECK(appears(below(root, "deaf")));
    WORKS(containerv_kill(container, pid));
    FAILS(containerv_kill(container, pid), ESRCH);
}

/* An id is that of /proc in the container, and is not given to the next process. */
static void ids(void)
{
    process_handle_t seen[20];
    int              i, j;

    for (i = 0; i < 20; i++) {
        struct containerv_spawn_options options;
        char                            text[32];

        memset(&options, 0, sizeof options);
        options.arguments = "-c \"echo $$ > /pid\"";
        options.flags = CV_SPAWN_WAIT;
        WORKS(containerv_spawn(container, "/bin/sh", &options, &seen[i]));
        snprintf(text, sizeof text, "%d", (int)seen[i]);
        HOLDS(below(root, "pid"), text);
        for (j = 0; j < i; j++) {
            CHECK(seen[i] != seen[j]);
        }
    }
}
#endif

int main(int argc, char** argv)
{
#ifndef _WIN32
    int before;
#endif

    start(argc, argv);
    WORKS(containerv_destroy(make(USUAL)));
#ifndef _WIN32
    before = descriptors();
#endif
    container = make(USUAL);
    arguments();
    environment_and_directory();
    paths();
    nothing_but_a_path();
    flags();
    waiting();
    one_that_has_ended_by_itself();
    killing();
    streams();
    input();
    large_arguments();
#ifdef _WIN32
    handles();
    ended_by_its_handle();
    WORKS(containerv_destroy(container));
#else
    a_path_with_blanks_and_quotes();
    users();
    waiting_for_one_that_leaves_others();
    asking_to_end();
    a_second_kill_of_one_that_goes_on_is_refused();
    ids();
    WORKS(containerv_destroy(container));
    CHECK(descriptors() == before);
#endif
    return finish();
}
