/* What each capability keeps apart, limits, ranges of ids, and the network. */
#include "check.h"

static struct containerv_container* with(enum containerv_capabilities caps, void (*set)(struct containerv_options*))
{
    struct containerv_container* container = NULL;
    struct containerv_options*   options = containerv_options_new();

    containerv_options_set_caps(options, caps);
    if (set != NULL) {
        set(options);
    }
    WORKS(containerv_create(root, options, &container));
    containerv_options_delete(options);
    announce(container);
    return container;
}

static const char* link_of(const char* path)
{
    static char texts[4][256];
    static int  next;
    char*       text = texts[next++ % 4];
    ssize_t     length = readlink(path, text, sizeof texts[0] - 1);

    text[length > 0 ? length : 0] = 0;
    return text;
}

/* Each namespace is the host's or not, as the bits say. */
static void one_namespace_for_each_bit(void)
{
    static const struct {
        int         bit;
        const char* kind;
    } table[] = {{CV_CAP_PROCESS_CONTROL, "pid"}, {CV_CAP_IPC, "ipc"}, {CV_CAP_NETWORK, "net"},
                 {CV_CAP_CGROUPS, "cgroup"},      {0, "uts"},          {CV_CAP_FILESYSTEM, "mnt"}};
    size_t i, j;

    for (i = 0; i < sizeof table / sizeof table[0]; i++) {
        enum containerv_capabilities caps = CV_CAP_FILESYSTEM | (enum containerv_capabilities)table[i].bit;
        struct containerv_container* container = with(caps, NULL);

        WORKS(shell(container, "for k in pid ipc net cgroup uts mnt; do readlink /proc/self/ns/$k > /ns-$k; done"));
        for (j = 0; j < sizeof table / sizeof table[0]; j++) {
            char own[64], inside[64];
            int  apart = table[j].bit == 0 || (caps & table[j].bit) != 0;

            snprintf(own, sizeof own, "/proc/self/ns/%s", table[j].kind);
            snprintf(inside, sizeof inside, "ns-%s", table[j].kind);
            CHECK((strcmp(contents(below(root, inside)), link_of(own)) != 0) == apart);
        }
        WORKS(containerv_destroy(container));
    }
}

static void unknown_bits_mean_nothing(void)
{
    struct containerv_container* container = with((enum containerv_capabilities)(USUAL | 0x40 | 0x100), NULL);

    WORKS(containerv_destroy(container));
}

static void processes_are_numbered_from_one(void)
{
    struct containerv_container* container = with(USUAL, NULL);

    WORKS(shell(container, "ls -d /proc/[0-9]* | wc -l > /count; echo $$ > /own"));
    CHECK(atoi(contents(below(root, "count"))) < 10);
    CHECK(same(contents(below(root, "own")), "2"));
    WORKS(containerv_destroy(container));
    container = with(CV_CAP_FILESYSTEM, NULL);
    WORKS(shell(container, "echo $$ > /own"));
    CHECK(atoi(contents(below(root, "own"))) > 2);
    WORKS(containerv_destroy(container));
}

/* Without a process namespace an id is the machine's; it serves to kill all the same. */
static void processes_of_the_machine(void)
{
    struct containerv_container*    container = with(CV_CAP_FILESYSTEM, NULL);
    struct containerv_spawn_options how;
    process_handle_t                pid = 0;
    int                             i;

    memset(&how, 0, sizeof how);
    how.arguments = "600";
    WORKS(containerv_spawn(container, "/bin/sleep", &how, &pid));
    CHECK(pid > 1 && kill(pid, 0) == 0);
    FAILS(containerv_kill(container, getpid()), ESRCH);
    WORKS(containerv_kill(container, pid));
    for (i = 0; i < 2000 && kill(pid, 0) == 0; i++) {
        nap(10);
        /* Reaped with the next call, whatever that is. */
        FAILS(containerv_kill(container, pid), ESRCH);
    }
    CHECK(kill(pid, 0) == -1);
    WORKS(containerv_destroy(container));
}

static void only_loopback(void)
{
    struct containerv_container* container = with(USUAL | CV_CAP_NETWORK, NULL);

    WORKS(shell(container, "ls /sys/class/net > /net; ifconfig lo | grep -c UP >> /net; "
                           "ping -c 1 -w 5 127.0.0.1 > /dev/null 2>&1; echo $? >> /net"));
    HOLDS(below(root, "net"), "lo\n1\n0");
    WORKS(containerv_destroy(container));
}

/* A network of four addresses for this process alone: variants of this program run at one time. */
static void own_network(char container[16], char host[16])
{
    unsigned third = (unsigned)getpid() / 64 % 256, fourth = (unsigned)getpid() % 64 * 4;

    snprintf(host, 16, "10.213.%u.%u", third, fourth + 1);
    snprintf(container, 16, "10.213.%u.%u", third, fourth + 2);
}

static void addresses(struct containerv_options* options)
{
    char container[16], mask[] = "255.255.255.252", host[16];

    own_network(container, host);
    containerv_options_set_network(options, container, mask, host);
    /* The texts are copied. */
    memset(container, 'x', sizeof container - 1);
    memset(mask, 'x', sizeof mask - 1);
    memset(host, 'x', sizeof host - 1);
}

static void a_pair_of_interfaces(void)
{
    struct containerv_container* container = with(USUAL | CV_CAP_NETWORK, addresses);
    char                         name[64], path[128], found[128], script[256], address[16], host[16];

    own_network(address, host);
    snprintf(path, sizeof path, "/sys/class/net/veth%.11s", containerv_id(container));
    CHECK(access(path, F_OK) == 0);
    snprintf(name, sizeof name, "veth%sc", containerv_id(container) + 8);
    snprintf(script, sizeof script,
             "ls /sys/class/net > /net; ip -o -4 addr show scope global > /address;"
             "ping -c 1 -w 5 %s > /dev/null 2>&1; echo $? > /ping",
             host);
    WORKS(shell(container, script));
    snprintf(found, sizeof found, "lo\n%s", name);
    HOLDS(below(root, "net"), found);
    snprintf(found, sizeof found, " %s/30 ", address);
    CHECK(strstr(contents(below(root, "address")), found) != NULL);
    HOLDS(below(root, "ping"), "0");
    WORKS(containerv_destroy(container));
    CHECK(access(path, F_OK) != 0);
}

/* The value of a file of the container's control group, version 1 or 2. */
static const char* group_value(struct containerv_container* container, const char* controller, const char* file)
{
    static char text[256];
    char        command[1024];
    FILE*       found;

    snprintf(command, sizeof command,
             "cat /sys/fs/cgroup/%s/containerv/%s*/%s /sys/fs/cgroup/containerv/%s*/%s 2>/dev/null", controller,
             containerv_id(container), file, containerv_id(container), file);
    found = popen(command, "r");
    text[0] = 0;
    if (found != NULL && fgets(text, sizeof text, found) != NULL) {
        text[strcspn(text, "\n")] = 0;
    }
    if (found != NULL) {
        pclose(found);
    }
    return text;
}

static void check_limits(struct containerv_container* container, const char* memory, const char* pids,
                         const char* shares, const char* weight)
{
    const char* found = group_value(container, "memory", "memory.limit_in_bytes");

    if (access("/sys/fs/cgroup/cgroup.controllers", F_OK) == 0) {
        CHECK(same(group_value(container, "", "memory.max"), memory));
        CHECK(same(group_value(container, "", "cpu.weight"), weight));
    } else {
        CHECK(strcmp(memory, "max") == 0 ? strlen(found) > 15 : same(found, memory));
        CHECK(same(group_value(container, "cpu", "cpu.shares"), shares));
    }
    CHECK(same(group_value(container, "pids", "pids.max"), pids));
}

static void own_limits(struct containerv_options* options)
{
    char memory[] = "64M", weight[] = "200", pids[] = "50";

    containerv_options_set_cgroup_limits(options, "1X", "0", "-1");
    containerv_options_set_cgroup_limits(options, memory, weight, pids);
    /* The texts are copied. */
    memset(memory, 'x', sizeof memory - 1);
    memset(weight, 'x', sizeof weight - 1);
    memset(pids, 'x', sizeof pids - 1);
}

static void no_limits(struct containerv_options* options)
{
    containerv_options_set_cgroup_limits(options, "max", NULL, "max");
}

static void limits(void)
{
    struct containerv_container* container = with(USUAL | CV_CAP_CGROUPS, NULL);

    check_limits(container, "1073741824", "256", "1024", "100");
    WORKS(containerv_destroy(container));
    container = with(USUAL | CV_CAP_CGROUPS, own_limits);
    check_limits(container, "67108864", "50", "2048", "200");
    WORKS(containerv_destroy(container));
    container = with(USUAL | CV_CAP_CGROUPS, no_limits);
    check_limits(container, "max", "max", "1024", "100");
    WORKS(containerv_destroy(container));
}

static void few(struct containerv_options* options)
{
    containerv_options_set_cgroup_limits(options, NULL, NULL, "8");
}

/* Processes that have ended do not use the limit up. */
static void a_limit_is_not_used_up_by_the_past(void)
{
    struct containerv_container* container = with(USUAL | CV_CAP_CGROUPS, few);
    int                          i;

    for (i = 0; i < 40; i++) {
        WORKS(shell(container, "exit 0"));
    }
    WORKS(containerv_destroy(container));
}

static void ranges(struct containerv_options* options)
{
    containerv_options_set_users(options, 1, 1, 1);
    containerv_options_set_groups(options, 1, 1, 0);
    containerv_options_set_users(options, 100000, 0, 1000);
    containerv_options_set_groups(options, 200000, 0, 1000);
}

/* (host start, start inside, count), as the names of the arguments say. */
static void mapped_ids(void)
{
    struct containerv_container*    container;
    struct containerv_spawn_options how;
    struct containerv_user          user = {NULL, 500, 600};
    struct stat                     found;
    const char*                     names[] = {"", "proc", "sys", "dev", "tmp"};
    const char *                    from = below(scratch, "sent"), *to = "/sent", *back = below(scratch, "sent-back");
    size_t                          i;

    for (i = 0; i < sizeof names / sizeof names[0]; i++) {
        (void)mkdir(below(root, names[i]), 0755);
        CHECK(chown(below(root, names[i]), 100000, 200000) == 0);
    }
    container = with(USUAL | CV_CAP_USERS, ranges);
    WORKS(shell(container, "id > /ids; cat /proc/self/uid_map /proc/self/gid_map | tr -s ' ' >> /ids"));
    HOLDS(below(root, "ids"), "uid=0 gid=0\n 0 100000 1000\n 0 200000 1000");
    CHECK(stat(below(root, "ids"), &found) == 0 && found.st_uid == 100000 && found.st_gid == 200000);
    put(below(scratch, "sent"), "sent");
    WORKS(containerv_upload(container, &from, &to, 1));
    CHECK(stat(below(root, "sent"), &found) == 0 && found.st_uid == 100000 && found.st_gid == 200000);
    WORKS(containerv_download(container, &to, &back, 1));
    CHECK(stat(back, &found) == 0 && found.st_uid == geteuid() && found.st_gid == getegid());
    memset(&how, 0, sizeof how);
    how.arguments = "-c \"id > /tmp/as; grep ^Groups: /proc/self/status >> /tmp/as\"";
    how.as_user = &user;
    how.flags = CV_SPAWN_WAIT;
    WORKS(containerv_spawn(container, "/bin/sh", &how, NULL));
    WORKS(shell(container, "cat /tmp/as > /as"));
    HOLDS(below(root, "as"), "uid=500 gid=600\nGroups:\t ");
    WORKS(containerv_destroy(container));
    for (i = 0; i < sizeof names / sizeof names[0]; i++) {
        CHECK(chown(below(root, names[i]), 0, 0) == 0);
    }
}

static void mapped_to_the_caller(void)
{
    struct containerv_container* container = with(USUAL | CV_CAP_USERS, NULL);

    WORKS(shell(container, "tr -s ' ' < /proc/self/uid_map > /own-id"));
    HOLDS(below(root, "own-id"), " 0 0 1");
    WORKS(containerv_destroy(container));
}

int main(int argc, char** argv)
{
    start(argc, argv);
    one_namespace_for_each_bit();
    unknown_bits_mean_nothing();
    processes_are_numbered_from_one();
    processes_of_the_machine();
    only_loopback();
    a_pair_of_interfaces();
    limits();
    a_limit_is_not_used_up_by_the_past();
    mapped_ids();
    mapped_to_the_caller();
    return finish();
}
