/* What has another name on Windows. Included by check.h. */
#include <chef/containerv.h>

#include <direct.h>
#include <fcntl.h>
#include <io.h>

/* How output is buffered that is to come by lines: Windows knows all or nothing. */
#define LINES _IONBF

/* The program of inside.c in a container. */
#define INSIDE "/bin/inside.exe"

#define chdir _chdir
#define getcwd _getcwd
#define mkdir(path, mode) _mkdir(path)
#define unlink _unlink

static inline int exists(const char* path)
{
    return _access(path, 0) == 0;
}

static inline double seconds(void)
{
    LARGE_INTEGER now, frequency;

    QueryPerformanceCounter(&now);
    QueryPerformanceFrequency(&frequency);
    return (double)now.QuadPart / (double)frequency.QuadPart;
}

static inline void nap(int milliseconds)
{
    Sleep((DWORD)milliseconds);
}
