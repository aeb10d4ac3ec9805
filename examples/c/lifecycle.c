/*
 * Makes a container, runs a program in it, and removes it.
 *
 *     cc lifecycle.c $(pkg-config --cflags --libs containerv) -o lifecycle
 *     sudo ./lifecycle /srv/rootfs /bin/echo "hello from the container"
 *
 * The first argument is a directory with a Linux system in it, which is used in place. On Windows it
 * is the folder of a layer, or any directory where CONTAINERV_BASE names a base layer; with MinGW-w64:
 *
 *     x86_64-w64-mingw32-gcc lifecycle.c -I PREFIX/include -L PREFIX/lib -lcontainerv -o lifecycle.exe
 *     lifecycle C:\containerfs C:\Windows\System32\cmd.exe "/c echo hello from the container"
 */
#include <chef/containerv.h>

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

int main(int argc, char** argv)
{
    struct containerv_options*      setup;
    struct containerv_container*    box = NULL;
    struct containerv_spawn_options how = {0};
    process_handle_t                process = 0;
    int                             result = 1;

    if (argc != 3 && argc != 4) {
        fprintf(stderr, "usage: %s ROOTFS PROGRAM [ARGUMENTS]\n", argv[0]);
        return 2;
    }
    how.arguments = argv[3];
    how.flags = CV_SPAWN_WAIT;

    setup = containerv_options_new();
    containerv_options_set_caps(setup, CV_CAP_FILESYSTEM | CV_CAP_PROCESS_CONTROL | CV_CAP_IPC);
    if (containerv_create(argv[1], setup, &box) != 0) {
        fprintf(stderr, "cannot create a container of `%s`: %s\n", argv[1], strerror(errno));
    } else if (containerv_spawn(box, argv[2], &how, &process) != 0) {
        fprintf(stderr, "cannot start `%s`: %s\n", argv[2], strerror(errno));
    } else {
        /* A number on Linux, a handle on Windows. */
        printf("container %s ran process %ld\n", containerv_id(box), (long)(size_t)process);
        result = 0;
    }

    if (box != NULL && containerv_destroy(box) != 0) {
        fprintf(stderr, "cannot destroy the container: %s\n", strerror(errno));
        result = 1;
    }
    containerv_options_delete(setup);
    return result;
}
