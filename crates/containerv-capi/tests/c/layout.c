/* Prints what binaries depend on: sizes, offsets and values. */
#ifndef _WIN32
#include <chef/containerv-user-linux.h>
#endif
#include <chef/containerv.h>
#include <stddef.h>
#include <stdio.h>

#define SIZE(type) printf("%s %lu\n", #type, (unsigned long)sizeof(type))
#define FIELD(type, name)                                                                        \
    printf("%s.%s %lu %lu\n", #type, #name, (unsigned long)offsetof(type, name),                 \
           (unsigned long)sizeof(((type*)0)->name))
#define VALUE(name) printf("%s %#x\n", #name, (unsigned)name)

int main(void)
{
    SIZE(process_handle_t);
    SIZE(enum containerv_capabilities);
    VALUE(CV_CAP_NETWORK);
    VALUE(CV_CAP_PROCESS_CONTROL);
    VALUE(CV_CAP_IPC);
    VALUE(CV_CAP_FILESYSTEM);
    VALUE(CV_CAP_CGROUPS);
    VALUE(CV_CAP_USERS);
    SIZE(enum containerv_mount_flags);
    VALUE(CV_MOUNT_BIND);
    VALUE(CV_MOUNT_RECURSIVE);
    VALUE(CV_MOUNT_READONLY);
    VALUE(CV_MOUNT_CREATE);
    SIZE(enum container_spawn_flags);
    VALUE(CV_SPAWN_WAIT);
    SIZE(struct containerv_mount);
    FIELD(struct containerv_mount, what);
    FIELD(struct containerv_mount, where);
    FIELD(struct containerv_mount, fstype);
    FIELD(struct containerv_mount, flags);
    SIZE(struct containerv_spawn_options);
    FIELD(struct containerv_spawn_options, arguments);
    FIELD(struct containerv_spawn_options, environment);
    FIELD(struct containerv_spawn_options, as_user);
    FIELD(struct containerv_spawn_options, flags);
#ifndef _WIN32
    SIZE(struct containerv_user);
    FIELD(struct containerv_user, name);
    FIELD(struct containerv_user, uid);
    FIELD(struct containerv_user, gid);
#endif
    return 0;
}
