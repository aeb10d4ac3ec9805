/* Runs in a container, linked statically: writes down its arguments, environment and directory. */
#define _GNU_SOURCE
#include <stdio.h>
#include <unistd.h>

extern char** environ;

int main(int argc, char** argv)
{
    FILE* file = fopen("/arguments", "w");
    char  directory[4096];
    int   i;

    for (i = 0; file != NULL && i < argc; i++) {
        fprintf(file, "%s%s", i == 0 ? "" : "|", argv[i]);
    }
    if (file == NULL || fclose(file) != 0 || (file = fopen("/environment", "w")) == NULL) {
        return 1;
    }
    for (i = 0; environ[i] != NULL; i++) {
        fprintf(file, "%s|", environ[i]);
    }
    if (fclose(file) != 0 || (file = fopen("/directory", "w")) == NULL) {
        return 1;
    }
    fprintf(file, "%s", getcwd(directory, sizeof directory));
    return fclose(file) != 0;
}
