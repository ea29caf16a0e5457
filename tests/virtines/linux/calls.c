/* Makes the system calls that its arguments name, one each, with their parts between colons and tells
   what came of each in a line on standard error. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <unistd.h>

static char text[64];

static long contents(const char *path) {
    int file = open(path, O_RDONLY);
    if (file < 0) return -1;
    long count = read(file, text, sizeof text - 1);
    if (count >= 0) text[count] = 0;
    int reason = errno;
    close(file);
    errno = reason;
    return count;
}

static long put(const char *path, const char *bytes) {
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    if (file < 0) return -1;
    long count = write(file, bytes, strlen(bytes));
    int reason = errno;
    close(file);
    errno = reason;
    return count;
}

static long inode(const char *path) {
    struct stat stat;
    struct statx extended;
    if (fstatat(AT_FDCWD, path, &stat, AT_SYMLINK_NOFOLLOW)) return -1;
    if (statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, STATX_INO, &extended)) return -1;
    unsigned long device = gnu_dev_makedev(extended.stx_dev_major, extended.stx_dev_minor);
    if (extended.stx_ino != stat.st_ino || device != stat.st_dev) return -2;
    snprintf(text, sizeof text, "%lx", stat.st_ino);
    return 0;
}

/* The inode as its directory tells it. */
static long entry(const char *folder, const char *name) {
    DIR *dir = opendir(folder);
    if (!dir) return -1;
    long found = -1;
    for (struct dirent *each; (each = readdir(dir));)
        if (!strcmp(each->d_name, name)) {
            snprintf(text, sizeof text, "%lx", each->d_ino);
            found = 0;
        }
    closedir(dir);
    return found;
}

static long call(char *words) {
    char *what = strsep(&words, ":");
    char *a = words ? strsep(&words, ":") : 0, *b = words ? strsep(&words, ":") : 0;
    char *c = words ? words : 0;
    int n = a ? atoi(a) : 0, m = b ? atoi(b) : 0;
    struct iovec vector = {text, 4};
    struct timespec times[2] = {{1000000000, 0}, {1000000000, 0}};
    struct timeval coarse[2] = {{1000000000, 0}, {1000000000, 0}};
    if (!strcmp(what, "read")) return read(n, text, 8);
    if (!strcmp(what, "readv")) return readv(n, &vector, 1);
    if (!strcmp(what, "pread")) return pread(n, text, 8, 0);
    if (!strcmp(what, "recv")) return recv(n, text, 8, MSG_DONTWAIT);
    if (!strcmp(what, "write")) return write(n, b, strlen(b));
    if (!strcmp(what, "writev")) return writev(n, &vector, 1);
    if (!strcmp(what, "pwrite")) return pwrite(n, "pwritten", 8, 0);
    if (!strcmp(what, "send")) return send(n, "sent", 4, 0);
    if (!strcmp(what, "lseek")) return lseek(n, m, SEEK_SET);
    if (!strcmp(what, "ftruncate")) return ftruncate(n, m);
    if (!strcmp(what, "fsync")) return fsync(n);
    if (!strcmp(what, "shutdown")) return shutdown(n, m);
    if (!strcmp(what, "nodelay")) return setsockopt(n, 6, 1, &m, 4);
    if (!strcmp(what, "dup")) return dup(n);
    if (!strcmp(what, "dup2")) return dup2(n, m);
    if (!strcmp(what, "dupfd")) return fcntl(n, F_DUPFD, m);
    if (!strcmp(what, "close")) return close(n);
    if (!strcmp(what, "getfl")) return fcntl(n, F_GETFL);
    if (!strcmp(what, "getdents")) return syscall(SYS_getdents64, n, text, sizeof text);
    if (!strcmp(what, "futimens")) return futimens(n, times);
    if (!strcmp(what, "fstat")) {
        struct stat stat;
        return fstat(n, &stat);
    }
    if (!strcmp(what, "open")) return open(a, strtol(b, 0, 0), 0666);
    if (!strcmp(what, "openat")) return openat(n, b, O_RDONLY);
    if (!strcmp(what, "cat")) return contents(a);
    if (!strcmp(what, "put")) return put(a, b);
    if (!strcmp(what, "link")) return link(a, b);
    if (!strcmp(what, "linkat")) return linkat(AT_FDCWD, a, AT_FDCWD, b, strtol(c, 0, 0));
    if (!strcmp(what, "rename")) return rename(a, b);
    if (!strcmp(what, "renameat2")) return renameat2(AT_FDCWD, a, AT_FDCWD, b, strtol(c, 0, 0));
    if (!strcmp(what, "unlink")) return unlink(a);
    if (!strcmp(what, "rmdir")) return rmdir(a);
    if (!strcmp(what, "mkdir")) return mkdir(a, strtol(b, 0, 8));
    if (!strcmp(what, "utimens")) return utimensat(AT_FDCWD, a, times, 0);
    if (!strcmp(what, "lutimens")) return utimensat(AT_FDCWD, a, times, AT_SYMLINK_NOFOLLOW);
    if (!strcmp(what, "utimes")) return utimes(a, coarse);
    if (!strcmp(what, "futimesat")) return futimesat(AT_FDCWD, a, coarse);
    if (!strcmp(what, "chmod")) return chmod(a, strtol(b, 0, 8));
    if (!strcmp(what, "fchmod")) return fchmod(n, strtol(b, 0, 8));
    if (!strcmp(what, "chown")) return chown(a, atoi(b), atoi(c));
    if (!strcmp(what, "fchown")) return fchown(n, m, atoi(c));
    if (!strcmp(what, "inode")) return inode(a);
    if (!strcmp(what, "entry")) return entry(a, b);
    errno = ENOSYS;
    return -1;
}

int main(int count, char **arguments) {
    for (int i = 1; i < count; i++) {
        memset(text, 0, sizeof text);
        long answer = call(arguments[i]);
        if (answer == -1)
            dprintf(2, "%s\n", strerrorname_np(errno));
        else if (text[0])
            dprintf(2, "%ld %s\n", answer, text);
        else
            dprintf(2, "%ld\n", answer);
    }
    return 0;
}
