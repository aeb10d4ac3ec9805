/* Options, and pointers that are not alive. */
#include "check.h"

static void setters_take_anything(struct containerv_options* options)
{
    struct containerv_mount mount;

    memset(&mount, 0, sizeof mount);
    errno = UNTOUCHED;
    containerv_options_set_caps(options, CV_CAP_FILESYSTEM);
    containerv_options_set_mounts(options, &mount, 1);
    containerv_options_set_mounts(options, NULL, 0);
#ifndef _WIN32
    containerv_options_set_users(options, 100000, 0, 65536);
    containerv_options_set_groups(options, 100000, 0, 65536);
    containerv_options_set_cgroup_limits(options, "1G", NULL, "max");
    containerv_options_set_network(options, "10.0.0.2", "255.255.255.0", "10.0.0.1");
    containerv_options_set_network(options, NULL, NULL, NULL);
#endif
    CHECK(errno == UNTOUCHED);
}

static void options_that_are_gone(void)
{
    struct containerv_options*   first = containerv_options_new();
    struct containerv_options*   second;
    struct containerv_container* out = (struct containerv_container*)&checks;

    CHECK(first != NULL);
    setters_take_anything(first);
    setters_take_anything(NULL);
    errno = UNTOUCHED;
    containerv_options_delete(NULL);
    containerv_options_delete(first);
    containerv_options_delete(first);
    CHECK(errno == UNTOUCHED);
    second = containerv_options_new();
    CHECK(second != first);
    setters_take_anything(first);
    FAILS(containerv_create(root, first, &out), EINVAL);
    CHECK(out == (struct containerv_container*)&checks);
    containerv_options_delete(second);
}

static void containers_that_never_were(void)
{
    const char*                  paths[1] = {"/etc/hostname"};
    long                         memory[8] = {0};
    struct containerv_container* strangers[3];
    int                          i;

    strangers[0] = NULL;
    strangers[1] = (struct containerv_container*)memory;
    strangers[2] = (struct containerv_container*)1;
    for (i = 0; i < 3; i++) {
        process_handle_t pid = (process_handle_t)UNTOUCHED;

        FAILS(containerv_spawn(strangers[i], "/bin/true", NULL, &pid), EINVAL);
        CHECK(pid == (process_handle_t)UNTOUCHED);
        FAILS(containerv_kill(strangers[i], pid), EINVAL);
        FAILS(containerv_upload(strangers[i], paths, paths, 1), EINVAL);
        FAILS(containerv_download(strangers[i], paths, paths, 1), EINVAL);
        FAILS(containerv_destroy(strangers[i]), EINVAL);
        errno = UNTOUCHED;
        CHECK(containerv_id(strangers[i]) == NULL && errno == EINVAL);
    }
}

static void options_are_not_containers(void)
{
    struct containerv_options* options = containerv_options_new();

    FAILS(containerv_destroy((struct containerv_container*)options), EINVAL);
    containerv_options_set_caps(options, CV_CAP_IPC);
    containerv_options_delete(options);
}

#ifndef _WIN32
static void users(void)
{
    char                    name[] = "builder";
    struct containerv_user* user;

    errno = UNTOUCHED;
    user = containerv_user_real();
    CHECK(user != NULL && user->uid == getuid() && user->gid == getgid() && user->name != NULL);
    CHECK(getuid() != 0 || strcmp(user->name, "root") == 0);
    containerv_user_delete(user);
    user = containerv_user_effective();
    CHECK(user != NULL && user->uid == geteuid() && user->gid == getegid());
    containerv_user_delete(user);
    user = containerv_user_from(name, 1000, 100);
    name[0] = 'X';
    CHECK(user != NULL && strcmp(user->name, "builder") == 0 && user->uid == 1000 && user->gid == 100);
    containerv_user_delete(user);
    containerv_user_delete(NULL);
    CHECK(errno == UNTOUCHED);
    CHECK(containerv_user_from(NULL, 1, 1) == NULL && errno == EINVAL);
}
#else
/* The last error goes with errno; a process cannot be moved into a container. */
static void what_windows_has(void)
{
    SetLastError(0);
    FAILS(containerv_destroy(NULL), EINVAL);
    CHECK(GetLastError() == ERROR_INVALID_PARAMETER);
    FAILS(containerv_join("0123456789ab"), ENOSYS);
    CHECK(GetLastError() == ERROR_CALL_NOT_IMPLEMENTED);
    FAILS(containerv_join(NULL), EINVAL);
}
#endif

int main(int argc, char** argv)
{
    start(argc, argv);
    options_that_are_gone();
    containers_that_never_were();
    options_are_not_containers();
#ifdef _WIN32
    what_windows_has();
#else
    users();
#endif
    return finish();
}
