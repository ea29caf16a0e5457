/* Each system call that there is, and some that there are not, with whatever may hurt. */
#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static long call(long number, unsigned long a, unsigned long b, unsigned long c, unsigned long d,
                 unsigned long e, unsigned long f) {
    long answer;
    register unsigned long r10 __asm__("r10") = d;
    register unsigned long r8 __asm__("r8") = e;
    register unsigned long r9 __asm__("r9") = f;
    __asm__ volatile("syscall" : "=a"(answer)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return answer;
}

int main(void) {
    static char buffer[8192];
    char *last = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    mprotect(last + 4096, 4096, PROT_NONE);
    unsigned long code = (unsigned long)main;
    const unsigned long values[] = {
        0, 1, 2, 3, 8, 0x1000, 0x5000, 0x6000, 0x7000, 0x7fffffff, 0x80000000, 0xffffffff,
        ~0UL, ~0UL - 4095, 1UL << 47, 1UL << 63, (unsigned long)buffer, (unsigned long)buffer + 1,
        (unsigned long)last + 4095, (unsigned long)last + 4096, code,
    };
    const unsigned long count = sizeof values / sizeof *values;
    unsigned long seed = 1, wrong = 0;
    for (long number = -2; number < 470; number++) {
        /* These would end it, or take from it what it runs on. */
        if (number == SYS_exit || number == SYS_exit_group || number == SYS_kill ||
            number == SYS_tkill || number == SYS_tgkill || number == SYS_munmap ||
            number == SYS_mmap || number == SYS_mremap || number == SYS_mprotect ||
            number == SYS_madvise || number == SYS_arch_prctl || number == SYS_futex ||
            number == SYS_nanosleep || number == SYS_clock_nanosleep || number == SYS_brk)
            continue;
        for (int round = 0; round < 40; round++) {
            unsigned long argument[6];
            for (int i = 0; i < 6; i++) {
                seed = seed * 6364136223846793005UL + 1442695040888963407UL;
                argument[i] = values[(seed >> 33) % count];
            }
            long answer = call(number, argument[0], argument[1], argument[2], argument[3],
                               argument[4], argument[5]);
            wrong += answer < -4095;
        }
    }
    /* Memory, where only addresses that are nobody's are tried. */
    for (int i = 0; i < 200; i++) {
        seed = seed * 6364136223846793005UL + 1442695040888963407UL;
        unsigned long length = values[(seed >> 33) % 16], flags = seed >> 40;
        call(SYS_mmap, 0, length, flags & 7, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        call(SYS_mmap, values[(seed >> 20) % 16], length, 3,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
        call(SYS_mprotect, values[(seed >> 13) % 16], length, flags & 15, 0, 0, 0);
        call(SYS_munmap, values[(seed >> 15) % 16], length, 0, 0, 0, 0);
        call(SYS_mremap, values[(seed >> 15) % 16], length, values[(seed >> 7) % 16], 1, 0, 0);
        call(SYS_madvise, values[(seed >> 11) % 16], length, flags & 31, 0, 0, 0);
        call(SYS_brk, values[(seed >> 9) % 16], 0, 0, 0, 0, 0);
        call(SYS_arch_prctl, 0x1001, values[(seed >> 9) % 16], 0, 0, 0, 0);
        call(SYS_arch_prctl, 0x1003, values[(seed >> 9) % 15], 0, 0, 0, 0);
    }
    return wrong ? 1 : 42;
}
