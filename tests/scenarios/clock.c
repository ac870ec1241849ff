/*
 * Another wall clock, and another word of the kernel about it, for the process that preloads this.
 *
 * The file named by UGW_TEST_CLOCK holds three 64-bit integers in the machine's order: what to add to
 * CLOCK_REALTIME in ns, whether the clock is synchronised, and its maximum error in us. It is mapped, so a
 * change counts from the next call on. Boot time is left alone; the clock of the machine cannot be set.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t *told; /* offset, synchronised, error */

__attribute__((constructor)) static void map(void)
{
    const char *path = getenv("UGW_TEST_CLOCK");
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    void *mapped = file < 0 ? MAP_FAILED : mmap(NULL, 3 * sizeof *told, PROT_READ, MAP_SHARED, file, 0);
    if (mapped == MAP_FAILED)
        abort(); /* a test that runs on the true clock would prove nothing */
    told = mapped;
    close(file);
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
    int failed = syscall(SYS_clock_gettime, clock, now);
    if (!failed && clock == CLOCK_REALTIME) {
        int64_t ns = now->tv_sec * INT64_C(1000000000) + now->tv_nsec + told[0];
        now->tv_sec = ns / 1000000000;
        now->tv_nsec = ns % 1000000000;
    }
    return failed;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone)
{
    struct timespec exact;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &exact);
    now->tv_sec = exact.tv_sec;
    now->tv_usec = exact.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *now)
{
    struct timespec exact;
    clock_gettime(CLOCK_REALTIME, &exact);
    if (now)
        *now = exact.tv_sec;
    return exact.tv_sec;
}

int adjtimex(struct timex *buf)
{
    if (buf->modes) {
        errno = EPERM;
        return -1;
    }
    if (syscall(SYS_adjtimex, buf) == -1)
        return -1;
    buf->maxerror = told[1] ? told[2] : 16000000;
    buf->status = told[1] ? buf->status & ~STA_UNSYNC : buf->status | STA_UNSYNC;
    return told[1] ? TIME_OK : TIME_ERROR;
}
