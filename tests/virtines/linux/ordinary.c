/* What ordinary programs do: arguments, environment, streams, memory, files, signals' set-up. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static void streams(void) {
    char line[100];
    while (fgets(line, sizeof line, stdin))
        printf("<%s", line);
    fprintf(stderr, "to standard error\n");
}

static void memory(void) {
    char *page = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memset(page, 7, 8192);
    page = mremap(page, 8192, 1 << 20, MREMAP_MAYMOVE);
    printf("moved: %d %d\n", page[8191], page[8192]);
    munmap(page, 1 << 20);
    char *again = mmap(page, 8192, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    printf("again: %d %d\n", again == page, again[0]);
    printf("both: %d %d\n", mprotect(again, 4096, PROT_READ | PROT_WRITE | PROT_EXEC), errno);
    memcpy(again, "\xb8\x2a\0\0\0\xc3", 6); /* mov eax, 42; ret */
    mprotect(again, 4096, PROT_READ | PROT_EXEC);
    printf("code: %d\n", ((int (*)(void))again)());
    memset(again + 4096, 9, 4096);
    madvise(again + 4096, 4096, MADV_DONTNEED);
    printf("dropped: %d\n", again[4096]);
    char *old = sbrk(0);
    printf("heap: %d\n", sbrk(100000) == old && brk(old) == 0);
    char *large = malloc(20 << 20);
    memset(large, 1, 20 << 20);
    free(large);
    printf("all: %s\n", malloc(1UL << 40) ? "too much" : "none");
}

static void files(const char *folder) {
    DIR *dir = opendir(folder);
    if (!dir) {
        printf("opendir: %s\n", strerror(errno));
        return;
    }
    int entries = 0, dots = 0;
    for (struct dirent *entry; (entry = readdir(dir));) {
        entries++;
        dots += entry->d_name[0] == '.';
    }
    printf("entries: %d, dots: %d\n", entries, dots);
    struct stat stat;
    printf("relative: %d", fstatat(dirfd(dir), "file7", &stat, 0));
    printf(" %ld\n", (long)stat.st_size);
    int file = openat(dirfd(dir), "file7", O_RDONLY);
    char bytes[3] = {0};
    printf("pread: %ld %.2s\n", (long)pread(file, bytes, 2, 1), bytes);
    struct iovec parts[2] = {{bytes, 1}, {bytes + 1, 1}};
    printf("readv: %ld %.2s\n", (long)readv(file, parts, 2), bytes);
    printf("dup: %d\n", dup2(file, 77));
    printf("out: %d", openat(dirfd(dir), "../../../etc/passwd", O_RDONLY));
    printf(" %s\n", strerror(errno));
    printf("written: %d\n", openat(dirfd(dir), "new", O_RDWR | O_CREAT, 0600));
    closedir(dir);
}

static void refusals(void) {
    printf("fork: %d", fork());
    printf(" %s\n", strerror(errno));
    printf("socket: %d", socket(AF_INET, SOCK_STREAM, 0));
    printf(" %s\n", strerror(errno));
    printf("exec: %d", execl("/bin/sh", "sh", (char *)0));
    printf(" %s\n", strerror(errno));
}

static void signals(void) {
    struct sigaction old, new = {.sa_handler = SIG_IGN};
    printf("sigaction: %d", sigaction(SIGPIPE, &new, 0));
    printf(" %d", sigaction(SIGPIPE, 0, &old));
    printf(" %d\n", old.sa_handler == SIG_IGN);
    printf("raise: %d\n", raise(SIGPIPE));
    sigset_t set, before;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, 0);
    sigprocmask(SIG_BLOCK, 0, &before);
    printf("blocked: %d\n", sigismember(&before, SIGUSR1));
}

/* Waits 20 ms for a word that nobody changes; what errno says of it. */
static int waited(int command, struct timespec *time) {
    static int word;
    return syscall(SYS_futex, &word, command, 0, time, 0, FUTEX_BITSET_MATCH_ANY) ? errno : 0;
}

static void timed_waits(void) {
    struct timespec span = {.tv_nsec = 20000000}, moment;
    printf("%d", waited(FUTEX_WAIT, &span));
    clock_gettime(CLOCK_MONOTONIC, &moment);
    printf(" %d", waited(FUTEX_WAIT_BITSET, &moment));
    clock_gettime(CLOCK_REALTIME, &moment);
    moment.tv_nsec = (moment.tv_nsec + 20000000) % 1000000000;
    printf(" %d", waited(FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME, &moment));
    moment.tv_sec = 1;
    printf(" %d\n", waited(FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME, &moment));
}

int main(int count, char **arguments) {
    const char *what = count > 1 ? arguments[1] : "";
    if (!strcmp(what, "streams")) streams();
    if (!strcmp(what, "memory")) memory();
    if (!strcmp(what, "files")) files(arguments[2]);
    if (!strcmp(what, "refusals")) refusals();
    if (!strcmp(what, "signals")) signals();
    if (!strcmp(what, "timed-waits")) timed_waits();
    if (!strcmp(what, "arguments")) {
        for (int i = 0; i < count; i++) printf("[%s]", arguments[i]);
        printf("%s %.17g\n", getenv("NAME"), sin(count));
    }
    if (!strcmp(what, "clock")) printf("%ld\n", (long)time(0));
    if (!strcmp(what, "abort")) abort();
    if (!strcmp(what, "loop")) for (;;) ;
    if (!strcmp(what, "sleep")) sleep(100);
    if (!strcmp(what, "recurse")) {
        volatile char deep[4096];
        deep[0] = 1;
        arguments[1] = "recurse";
        return main(count, arguments) + deep[0];
    }
    if (!strcmp(what, "read-only")) {
        char *page = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        page[0] = 1;
        mprotect(page, 4096, PROT_READ);
        page[0] = 2;
    }
    if (!strcmp(what, "unmapped")) {
        char *page = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        page[0] = 1;
        munmap(page, 4096);
        return page[0];
    }
    if (!strcmp(what, "no-code")) {
        static char data[] = "\xc3";
        ((void (*)(void))data)();
    }
    if (!strcmp(what, "flood")) {
        static char bytes[4096];
        for (;;) if (write(1, bytes, 4096) < 0) return errno;
    }
    if (!strcmp(what, "descriptors")) for (;;) if (dup(0) < 0) return errno;
    if (!strcmp(what, "mappings")) {
        for (unsigned long n = 0;; n++) {
            int protection = n % 2 ? PROT_READ : PROT_READ | PROT_WRITE;
            if (mmap(0, 4096, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED)
                return errno;
        }
    }
    fflush(stdout);
    return 3;
}
