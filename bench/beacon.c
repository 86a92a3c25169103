/* The smallest child: its first act is to read the clock, its second to tell it, its third to wait for a signal. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#include <fcntl.h>

int main(int argc, char **argv)
{
    struct timespec now;
    char line[64];
    clock_gettime(CLOCK_MONOTONIC, &now);
    int fd = open(argv[1], O_WRONLY);
    int size = snprintf(line, sizeof line, "%d %lld\n", getpid(), now.tv_sec * 1000000000LL + now.tv_nsec);
    if (fd < 0 || write(fd, line, size) != size)
        return 1;
    close(fd);
    for (;;)
        pause();
}
