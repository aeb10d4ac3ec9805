// The headers in C++: bits combine, fields of a zeroed structure mean their defaults, symbols link.
#ifdef WRAPPED
// As programs include headers that have no such block of their own.
extern "C" {
#ifndef _WIN32
#include <chef/containerv-user-linux.h>
#endif
#include <chef/containerv.h>
}
// And an operator of their own, where the header did not bring one.
inline constexpr containerv_capabilities operator|(containerv_capabilities a, containerv_capabilities b)
{
    return static_cast<containerv_capabilities>(int(a) | int(b));
}
#else
#ifndef _WIN32
#include <chef/containerv-user-linux.h>
#endif
#include <chef/containerv.h>
#endif

#include <cerrno>
#include <cstdio>

static_assert((CV_CAP_FILESYSTEM | CV_CAP_IPC) == 0xc, "a constant expression");

int main()
{
    enum containerv_capabilities    caps = CV_CAP_FILESYSTEM | CV_CAP_PROCESS_CONTROL | CV_CAP_IPC;
    struct containerv_mount         mount = {};
    struct containerv_spawn_options how = {};
    struct containerv_options*      options = containerv_options_new();
    struct containerv_container*    container = nullptr;

    mount.flags = CV_MOUNT_BIND | CV_MOUNT_READONLY;
    how.flags = CV_SPAWN_WAIT | CV_SPAWN_WAIT;
    containerv_options_set_caps(options, caps);
    containerv_options_set_mounts(options, &mount, 1);
    errno = 0;
    int result = containerv_create("/", options, &container);
    std::printf("create: %d, errno %d\n", result, errno == EINVAL);
    errno = 0;
    result = containerv_spawn(container, "/bin/true", &how, nullptr);
    std::printf("spawn: %d, errno %d\n", result, errno == EINVAL);
    containerv_options_delete(options);
#ifndef _WIN32
    containerv_user_delete(containerv_user_real());
#endif
    return 0;
}
