#include <chef/containerv.h>
#include <stdio.h>

int main(void)
{
    struct containerv_container    *box = NULL;
    struct containerv_options      *setup = containerv_options_new();
    struct containerv_spawn_options how = {
        .arguments = "arg1 arg2",
        .flags = CV_SPAWN_WAIT,
    };
    process_handle_t proc = 0;

    containerv_options_set_caps(setup, CV_CAP_FILESYSTEM | CV_CAP_PROCESS_CONTROL);
    if (containerv_create("C:\\containerfs", setup, &box) == 0) {
        containerv_spawn(box, "C:\\Windows\\System32\\cmd.exe", &how, &proc);
        containerv_destroy(box);
    }
    containerv_options_delete(setup);
    return 0;
}
