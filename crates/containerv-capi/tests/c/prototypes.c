/* Every function with its exact type: this compiles only if the header declares them all so. */
#ifndef _WIN32
#include <chef/containerv-user-linux.h>
#endif
#include <chef/containerv.h>

struct containerv_options* (*options_new)(void) = containerv_options_new;
void (*options_delete)(struct containerv_options*) = containerv_options_delete;
void (*set_caps)(struct containerv_options*, enum containerv_capabilities) = containerv_options_set_caps;
void (*set_mounts)(struct containerv_options*, struct containerv_mount*, int) = containerv_options_set_mounts;
#ifndef _WIN32
void (*set_users)(struct containerv_options*, uid_t, uid_t, int) = containerv_options_set_users;
void (*set_groups)(struct containerv_options*, gid_t, gid_t, int) = containerv_options_set_groups;
void (*set_limits)(struct containerv_options*, const char*, const char*,
                   const char*) = containerv_options_set_cgroup_limits;
void (*set_network)(struct containerv_options*, const char*, const char*, const char*) = containerv_options_set_network;
struct containerv_user* (*user_real)(void) = containerv_user_real;
struct containerv_user* (*user_effective)(void) = containerv_user_effective;
struct containerv_user* (*user_from)(char*, uid_t, gid_t) = containerv_user_from;
void (*user_delete)(struct containerv_user*) = containerv_user_delete;
#endif
int (*create)(const char*, struct containerv_options*, struct containerv_container**) = containerv_create;
int (*spawn)(struct containerv_container*, const char*, struct containerv_spawn_options*,
             process_handle_t*) = containerv_spawn;
int (*kill_process)(struct containerv_container*, process_handle_t) = containerv_kill;
int (*upload)(struct containerv_container*, const char* const*, const char* const*, int) = containerv_upload;
int (*download)(struct containerv_container*, const char* const*, const char* const*, int) = containerv_download;
int (*destroy)(struct containerv_container*) = containerv_destroy;
int (*join)(const char*) = containerv_join;
const char* (*id)(struct containerv_container*) = containerv_id;

int main(void)
{
    options_delete(options_new());
    return 0;
}
