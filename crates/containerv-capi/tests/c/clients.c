/*
 * What programs that were written for the original library do with it: a tool for one container, a
 * build service, a service that keeps its containers, and a launcher. C and C++.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <chef/containerv-user-linux.h>
#include <chef/containerv.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define USUAL ((enum containerv_capabilities)(CV_CAP_FILESYSTEM | CV_CAP_PROCESS_CONTROL | CV_CAP_IPC))

static struct containerv_container* g_container;

static void fail(const char* what)
{
    fprintf(stderr, "clients: %s\n", what);
    exit(1);
}

static void must(int good, const char* what)
{
    if (!good) {
        fail(what);
    }
}

/* As the tool does: the container is destroyed in the handler itself. */
static void on_interrupt(int number)
{
    (void)number;
    _exit(containerv_destroy(g_container) == 0 ? 0 : 1);
}

static struct containerv_container* create(const char* root, struct containerv_mount* mounts, int count)
{
    struct containerv_options*   options = containerv_options_new();
    struct containerv_container* container = NULL;

    must(options != NULL, "options");
    if (count > 0) {
        containerv_options_set_mounts(options, mounts, count);
    }
    containerv_options_set_caps(options, USUAL);
    must(containerv_create(root, options, &container) == 0, "create");
    containerv_options_delete(options);
    return container;
}

/* The tool: it waits until it is interrupted, either doing nothing or waiting for a program. */
static void tool(const char* root, int waits_for_a_program)
{
    int   ends[2], status = -1;
    char  byte;
    pid_t child;

    must(pipe(ends) == 0, "pipe");
    child = fork();
    must(child >= 0, "fork");
    if (child == 0) {
        g_container = create(root, NULL, 0);
        signal(SIGINT, on_interrupt);
        must(write(ends[1], "x", 1) == 1, "write");
        if (waits_for_a_program) {
            struct containerv_spawn_options how;

            memset(&how, 0, sizeof(how));
            how.arguments = "600";
            how.flags = CV_SPAWN_WAIT;
            containerv_spawn(g_container, "/bin/sleep", &how, NULL);
        }
        for (;;) {
            pause();
        }
    }
    must(read(ends[0], &byte, 1) == 1, "the tool says that it waits");
    usleep(waits_for_a_program ? 500000 : 50000);
    must(kill(child, SIGINT) == 0 && waitpid(child, &status, 0) == child, "interrupt");
    must(WIFEXITED(status) && WEXITSTATUS(status) == 0, "destroy in the handler");
    close(ends[0]);
    close(ends[1]);
}

/* The build service. */
static void service(const char* root, const char* scratch)
{
    struct containerv_mount         mounts[2];
    struct containerv_spawn_options how;
    struct containerv_container*    container;
    process_handle_t                pid = 0;
    char                            host[4096], back[4096];
    const char*                     environment[] = {"PATH=/bin", "CHEF=1", NULL};
    const char*                     sources[1];
    const char*                     targets[1];
    FILE*                           file;

    memset(&mounts[0], 0, sizeof(mounts));
    mounts[0].what = (char*)scratch;
    mounts[0].where = (char*)"/chef/project";
    mounts[0].flags = (enum containerv_mount_flags)(CV_MOUNT_BIND | CV_MOUNT_READONLY | CV_MOUNT_CREATE);
    mounts[1].what = (char*)scratch;
    mounts[1].where = (char*)"/chef/fridge";
    mounts[1].flags = (enum containerv_mount_flags)(CV_MOUNT_BIND | CV_MOUNT_CREATE);
    container = create(root, mounts, 2);
    must(containerv_id(container) != NULL && strlen(containerv_id(container)) < 64, "id");
    snprintf(host, sizeof(host), "%s/tool", scratch);
    snprintf(back, sizeof(back), "%s/tool.back", scratch);
    file = fopen(host, "w");
    must(file != NULL && fputs("#!/bin/sh\necho \"$CHEF\" > /chef/fridge/said; exit 5\n", file) >= 0, "write");
    fclose(file);
    must(chmod(host, 0755) == 0, "chmod");
    sources[0] = host;
    targets[0] = "/usr/tool";
    must(containerv_upload(container, sources, targets, 1) != 0, "directories are not made");
    targets[0] = "/bin/tool";
    must(containerv_upload(container, sources, targets, 1) == 0, "upload");
    memset(&how, 0, sizeof(how));
    how.environment = (const char* const*)environment;
    how.flags = CV_SPAWN_WAIT;
    must(containerv_spawn(container, "/bin/tool", &how, &pid) == 0, "spawn");
    snprintf(host, sizeof(host), "%s/said", scratch);
    must(access(host, F_OK) == 0, "a program writes to a mount");
    sources[0] = back;
    must(containerv_download(container, targets, sources, 1) == 0 && access(back, X_OK) == 0, "download");
    memset(&how, 0, sizeof(how));
    how.arguments = "600";
    must(containerv_spawn(container, "/bin/sleep", &how, &pid) == 0, "spawn without waiting");
    must(containerv_kill(container, pid) == 0, "kill");
    must(containerv_destroy(container) == 0, "destroy");
    /* Its list still has the container when a client asks a second time. */
    must(containerv_destroy(container) != 0, "destroy twice");
}

/* The service that keeps its containers, and the launcher that another process is. */
static void launcher(const char* root)
{
    struct containerv_container* container = create(root, NULL, 0);
    char                         id[64];
    int                          status = -1;
    pid_t                        child;

    snprintf(id, sizeof(id), "%s", containerv_id(container));
    child = fork();
    must(child >= 0, "fork");
    if (child == 0) {
        char* arguments[] = {(char*)"/bin/sh", (char*)"-c", (char*)"test \"$(hostname)\" = containerv-host && exit 7", NULL};
        char* environment[] = {(char*)"PATH=/bin", NULL};

        must(containerv_join(id) == 0, "join");
        must(chdir("/bin") == 0, "chdir");
        execve(arguments[0], arguments, environment);
        _exit(1);
    }
    must(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 7, "launch");
    /* It ends with this process: nobody destroys it. */
}

/* The example of the seed, for Linux: results are ignored. */
static void example(const char* root)
{
    struct containerv_container*    box = NULL;
    struct containerv_options*      setup = containerv_options_new();
    struct containerv_spawn_options how;
    process_handle_t                proc = 0;

    memset(&how, 0, sizeof(how));
    how.arguments = "arg1 arg2";
    how.flags = CV_SPAWN_WAIT;
    containerv_options_set_caps(setup, (enum containerv_capabilities)(CV_CAP_FILESYSTEM | CV_CAP_PROCESS_CONTROL));
    if (containerv_create(root, setup, &box) == 0) {
        containerv_spawn(box, "/bin/echo", &how, &proc);
        containerv_destroy(box);
    }
    containerv_options_delete(setup);
}

int main(int argc, char** argv)
{
    must(argc == 3, "usage: clients ROOTFS SCRATCH");
    tool(argv[1], 0);
    tool(argv[1], 1);
    service(argv[1], argv[2]);
    example(argv[1]);
    launcher(argv[1]);
    return 0;
}
