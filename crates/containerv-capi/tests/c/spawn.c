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
        unlink(below(root, "arguments"));
        WORKS(run("/bin/arguments", table[i][0], NULL, NULL));
        HOLDS(below(root, "arguments"), table[i][1]);
    }
}

static void environment_and_directory(void)
{
    static const char* const some[] = {"A=1", "B=x y", "EMPTY=", NULL};
    static const char* const none[] = {NULL};
    static const char* const wrong[] = {"A=1", "no-equals-sign", NULL};

    setenv("OF_THE_CALLER", "1", 1);
    WORKS(run("/bin/arguments", NULL, some, NULL));
    HOLDS(below(root, "environment"), "A=1|B=x y|EMPTY=|");
    HOLDS(below(root, "directory"), "/");
    WORKS(run("/bin/arguments", NULL, none, NULL));
    HOLDS(below(root, "environment"), "");
    WORKS(run("/bin/arguments", NULL, NULL, NULL));
    HOLDS(below(root, "environment"), "");
    FAILS(run("/bin/arguments", NULL, wrong, NULL), EINVAL);
}

static void paths(void)
{
    process_handle_t pid = UNTOUCHED;

    WORKS(run("bin/arguments", "x", NULL, NULL));
    HOLDS(below(root, "arguments"), "bin/arguments|x");
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

static void nothing_but_a_path(void)
{
    unlink(below(root, "arguments"));
    WORKS(containerv_spawn(container, "/bin/arguments", NULL, NULL));
    /* It is not waited for: the last of its files tells that it is through. */
    CHECK(appears(below(root, "directory")));
    nap(50);
    HOLDS(below(root, "arguments"), "/bin/arguments");
    HOLDS(below(root, "environment"), "");
}

static void a_path_with_blanks_and_quotes(void)
{
    CHECK(link(below(root, "bin/arguments"), below(root, "bin/a \"b c")) == 0);
    WORKS(run("/bin/a \"b c", "d", NULL, NULL));
    HOLDS(below(root, "arguments"), "/bin/a \"b c|d");
}

/* Waiting is for the program, not for what it leaves behind. */
static void waiting_for_one_that_leaves_others(void)
{
    double begin = seconds();

    WORKS(run("/bin/sh", "-c \"sleep 600 > /dev/null 2>&1 & echo $! > /left\"", NULL, NULL));
    CHECK(seconds() - begin < 60);
    CHECK(atoi(contents(below(root, "left"))) > 1);
}

static void one_that_has_ended_by_itself(void)
{
    struct containerv_spawn_options options;
    process_handle_t                pid = 0;

    memset(&options, 0, sizeof options);
    options.arguments = "-c \"echo > /over\"";
    WORKS(containerv_spawn(container, "/bin/sh", &options, &pid));
    CHECK(appears(below(root, "over")));
    nap(500);
    FAILS(containerv_kill(container, pid), ESRCH);
}

static void flags(void)
{
    struct containerv_spawn_options options;

    memset(&options, 0, sizeof options);
    options.flags = (enum container_spawn_flags)0x2;
    FAILS(containerv_spawn(container, "/bin/true", &options, NULL), EINVAL);
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

static void waiting(void)
{
    struct containerv_spawn_options options;
    process_handle_t                pid = 0;
    double                          begin = seconds();

    memset(&options, 0, sizeof options);
    options.arguments = "0.3";
    options.flags = CV_SPAWN_WAIT;
    WORKS(containerv_spawn(container, "/bin/sleep", &options, &pid));
    CHECK(seconds() - begin >= 0.3);
    CHECK(pid > 1);
    FAILS(containerv_kill(container, pid), ESRCH);
    options.arguments = "600";
    options.flags = (enum container_spawn_flags)0;
    begin = seconds();
    WORKS(containerv_spawn(container, "/bin/sleep", &options, &pid));
    CHECK(seconds() - begin < 60);
    WORKS(containerv_kill(container, pid));
    WORKS(run("/bin/false", NULL, NULL, NULL));
}

static void killing(void)
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

static void streams(void)
{
    int ends[2], saved;
    char text[64] = "";

    CHECK(pipe(ends) == 0);
    fflush(stdout);
    saved = dup(1);
    dup2(ends[1], 1);
    WORKS(run("/bin/echo", "to the creator", NULL, NULL));
    dup2(saved, 1);
    close(saved);
    close(ends[1]);
    CHECK(read(ends[0], text, sizeof text - 1) > 0);
    CHECK(same(text, "to the creator\n"));
    close(ends[0]);
}

static void large_arguments(void)
{
    size_t size = 100000;
    char*  text = malloc(size + 1);
    char*  huge = malloc(200001);

    memset(text, 'x', size);
    text[size] = 0;
    WORKS(run("/bin/true", text, NULL, NULL));
    memset(huge, 'x', 200000);
    huge[200000] = 0;
    FAILS(run("/bin/true", huge, NULL, NULL), E2BIG);
    free(text);
    free(huge);
}

int main(int argc, char** argv)
{
    int before;

    start(argc, argv);
    WORKS(containerv_destroy(make(USUAL)));
    before = descriptors();
    container = make(USUAL);
    arguments();
    environment_and_directory();
    paths();
    nothing_but_a_path();
    a_path_with_blanks_and_quotes();
    flags();
    users();
    waiting();
    waiting_for_one_that_leaves_others();
    one_that_has_ended_by_itself();
    killing();
    a_second_kill_of_one_that_goes_on_is_refused();
    ids();
    streams();
    large_arguments();
    WORKS(containerv_destroy(container));
    CHECK(descriptors() == before);
    return finish();
}
