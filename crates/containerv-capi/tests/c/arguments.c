/* Runs in a container: writes down its arguments, environment and directory. */
#define _GNU_SOURCE
#include <stdio.h>
#ifdef _WIN32
#include <direct.h>
#include <stdlib.h>
#include <windows.h>
#define environ _environ
#define getcwd _getcwd
#else
#include <unistd.h>

extern char** environ;
#endif

static FILE* open_file(const char* path)
{
    FILE* file = fopen(path, "wb");

    if (file == NULL) {
        perror(path);
    }
    return file;
}

/* The arguments as the system has passed them on: one by one, or in one line. */
static void write_arguments(FILE* file, int argc, char** argv)
{
#ifdef _WIN32
    (void)argc;
    (void)argv;
    fprintf(file, "%s", GetCommandLineA());
#else
    int i;

    for (i = 0; i < argc; i++) {
        fprintf(file, "%s%s", i == 0 ? "" : "|", argv[i]);
    }
#endif
}

int main(int argc, char** argv)
{
    FILE* file = open_file("/shared/arguments");
    char  directory[4096];
    int   i;

    if (file == NULL) {
        return 1;
    }
    write_arguments(file, argc, argv);
    if (fclose(file) != 0 || (file = open_file("/shared/environment")) == NULL) {
        return 1;
    }
    for (i = 0; environ[i] != NULL; i++) {
        fprintf(file, "%s|", environ[i]);
    }
    if (fclose(file) != 0 || (file = open_file("/shared/directory")) == NULL) {
        return 1;
    }
    fprintf(file, "%s", getcwd(directory, sizeof directory));
    return fclose(file) != 0;
}
