/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/**
 * containerv: users, for the field `as_user` of struct containerv_spawn_options. Linux only.
 *
 * What <chef/containerv.h> says about results, threads and ownership holds here too.
 */
#ifndef CHEF_CONTAINERV_USER_LINUX_H
#define CHEF_CONTAINERV_USER_LINUX_H

#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * A user. A process is started with this user id, this group id, and no supplementary groups;
 * the name is for the caller's own use.
 */
struct containerv_user {
    /** Name, which belongs to this structure. */
    char* name;
    /** User id in the container. */
    uid_t uid;
    /** Group id in the container. */
    gid_t gid;
};

/**
 * Returns the user that the calling process belongs to (its real ids).
 *
 * The name is that of the host's user database; without an entry there, the number. The caller
 * releases the user with containerv_user_delete(). NULL with `errno` ENOMEM without memory.
 */
struct containerv_user* containerv_user_real(void);

/** The same with the effective ids: those that permissions are checked against. */
struct containerv_user* containerv_user_effective(void);

/**
 * Returns a user of these values. `name` is copied.
 *
 * The caller releases the user with containerv_user_delete(). NULL with `errno` EINVAL if `name`
 * is NULL, and ENOMEM without memory.
 */
struct containerv_user* containerv_user_from(char* name, uid_t uid, gid_t gid);

/**
 * Releases a user and its name. NULL is left alone. A process that was started as this user is
 * not affected.
 */
void containerv_user_delete(struct containerv_user* user);

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* CHEF_CONTAINERV_USER_LINUX_H */
