/* What binaries for Windows depend on; compiled only. */
#include <chef/containerv.h>
#include <stddef.h>

#define MUST(condition) _Static_assert(condition, #condition)

MUST(sizeof(process_handle_t) == 8);
MUST(sizeof(enum containerv_capabilities) == 4);
MUST(sizeof(enum containerv_mount_flags) == 4);
MUST(sizeof(enum container_spawn_flags) == 4);
MUST(sizeof(struct containerv_mount) == 32);
MUST(offsetof(struct containerv_mount, where) == 8 && offsetof(struct containerv_mount, fstype) == 16);
MUST(offsetof(struct containerv_mount, flags) == 24);
MUST(sizeof(struct containerv_spawn_options) == 32);
MUST(offsetof(struct containerv_spawn_options, environment) == 8);
MUST(offsetof(struct containerv_spawn_options, as_user) == 16);
MUST(offsetof(struct containerv_spawn_options, flags) == 24);

int main(void)
{
    struct containerv_container*    box = NULL;
    struct containerv_options*      setup = containerv_options_new();
    struct containerv_spawn_options how = {
        .arguments = "arg1 arg2",
        .flags = CV_SPAWN_WAIT,
    };
    process_handle_t proc = 0;
    DWORD            code = 0;

    containerv_options_set_caps(setup, CV_CAP_FILESYSTEM | CV_CAP_PROCESS_CONTROL);
    if (containerv_create("C:\\containerfs", setup, &box) == 0) {
        containerv_spawn(box, "C:\\Windows\\System32\\cmd.exe", &how, &proc);
        /* windows.h comes with the header. */
        GetExitCodeProcess(proc, &code);
        containerv_destroy(box);
    }
    containerv_options_delete(setup);
    return (int)code;
}
