/*
 * Loaded into nginx by LD_PRELOAD: measures each turn of a worker's event loop, from where epoll_wait returns on the
 * main thread to where it is called again. A tracer or a sampler would slow nginx down, or miss the longest turn.
 *
 * SOAK_TURNS names a file of zeros, which all processes map: a counter of the slots that are taken, in the place of the
 * first slot, and then a slot for each worker there ever was. Nothing is locked, since a slot has one writer.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* All times are in ns. tests/soak/turns.rs reads this. */
struct slot {
    uint64_t pid;
    uint64_t turns;
    uint64_t cpu;         /* of the turn that took most */
    uint64_t delay;       /* the longest that a turn that never gave up the CPU waited for it: the run queue's doing */
    uint64_t blocked;     /* turns in which the thread gave up the CPU by itself: it waited for something */
    uint64_t blocked_for; /* the longest of those, without its CPU time */
    uint64_t over[10];    /* turns that took at least 0.1, 0.2, 0.4 ... 51.2 ms of CPU time */
};

static int (*real_epoll_wait)(int, struct epoll_event *, int, int);
static struct slot *slots;
static uint64_t slot_count;

/* Of the worker: the master, which it inherits these from, waits for no events. */
static struct slot *mine;
static uint64_t cpu_then, wall_then, waits_then;

__attribute__((constructor)) static void open_slots(void)
{
    const char *path = getenv("SOAK_TURNS");
    struct stat about;
    int fd;

    real_epoll_wait = (int (*)(int, struct epoll_event *, int, int)) dlsym(RTLD_NEXT, "epoll_wait");
    if (path == NULL || (fd = open(path, O_RDWR | O_CLOEXEC)) == -1)
        return;
    if (fstat(fd, &about) == 0) {
        void *map = mmap(NULL, about.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (map != MAP_FAILED) {
            slots = map;
            slot_count = about.st_size / sizeof(struct slot);
        }
    }
    close(fd);
}

static uint64_t now(clockid_t clock)
{
    struct timespec at;

    clock_gettime(clock, &at);
    return (uint64_t) at.tv_sec * 1000000000 + at.tv_nsec;
}

/* How often the thread gave up the CPU by itself. */
static uint64_t waits(void)
{
    struct rusage use;

    getrusage(RUSAGE_THREAD, &use);
    return use.ru_nvcsw;
}

static void begin_turn(void)
{
    if (mine == NULL) {
        uint64_t at = slots == NULL ? 0 : __atomic_add_fetch(&slots[0].pid, 1, __ATOMIC_RELAXED);

        if (slots == NULL || at >= slot_count)
            return;
        mine = &slots[at];
        mine->pid = getpid();
    }
    waits_then = waits();
    wall_then = now(CLOCK_MONOTONIC);
    cpu_then = now(CLOCK_THREAD_CPUTIME_ID);
}

static void end_turn(void)
{
    uint64_t cpu, idle, limit;
    int i;

    if (mine == NULL)
        return;
    cpu = now(CLOCK_THREAD_CPUTIME_ID) - cpu_then;
    idle = now(CLOCK_MONOTONIC) - wall_then;
    idle = idle > cpu ? idle - cpu : 0;
    mine->turns++;
    if (cpu > mine->cpu)
        mine->cpu = cpu;
    for (i = 0, limit = 100000; i < 10 && cpu >= limit; i++, limit *= 2)
        mine->over[i]++;
    if (waits() == waits_then) {
        if (idle > mine->delay)
            mine->delay = idle;
        return;
    }
    mine->blocked++;
    if (idle > mine->blocked_for)
        mine->blocked_for = idle;
}

/* The resolver's thread comes by here as well. */
static int is_main_thread(void)
{
    static __thread int known;

    if (known == 0)
        known = gettid() == getpid() ? 1 : 2;
    return known == 1;
}

int epoll_wait(int epoll, struct epoll_event *events, int most, int timeout)
{
    int count, error;

    if (!is_main_thread())
        return real_epoll_wait(epoll, events, most, timeout);
    end_turn();
    count = real_epoll_wait(epoll, events, most, timeout);
    error = errno;
    begin_turn();
    errno = error;
    return count;
}
