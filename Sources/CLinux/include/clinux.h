// What Glibc's Swift module does not show: epoll, inotify, signalfd, eventfd, futex, open-file-description locks; and
// what C does more plainly.
// Constants that are macros or enums of odd types are given plain integer types here, once.
#ifndef CLINUX_H
#define CLINUX_H

// No _GNU_SOURCE here: Glibc's Swift module is built without it, and the two must agree on every type. The lock
// commands it would show are part of the kernel's interface (linux/fcntl.h) on every processor we support.
#define CLINUX_F_OFD_GETLK 36
#define CLINUX_F_OFD_SETLK 37
#define CLINUX_F_OFD_SETLKW 38

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

// openat and fcntl are variadic in C, which Swift does not import.
static inline int clinux_openat(int folder, const char *path, int flags, unsigned int mode) {
  return openat(folder, path, flags, mode);
}

// renameat2(2) with RENAME_NOREPLACE (1 in linux/fs.h); glibc shows it only under _GNU_SOURCE.
static inline long clinux_rename_noreplace(int from, const char *name, int to, const char *new_name) {
  return syscall(SYS_renameat2, from, name, to, new_name, 1);
}

// Open-file-description locks (fcntl(2)): they belong to the open file, not to the process, and die with it.
static inline int clinux_lock_exclusive(int descriptor) {
  struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 0};
  return fcntl(descriptor, CLINUX_F_OFD_SETLK, &lock);
}

static inline int clinux_lock_exclusive_waiting(int descriptor) {
  struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 0};
  return fcntl(descriptor, CLINUX_F_OFD_SETLKW, &lock);
}

// 1 when someone else holds the lock, 0 when nobody does, -1 with errno. Asking never takes it.
static inline int clinux_lock_is_held(int descriptor) {
  struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 0};
  if (fcntl(descriptor, CLINUX_F_OFD_GETLK, &lock) < 0) return -1;
  return lock.l_type == F_UNLCK ? 0 : 1;
}

// How many bytes a socket has taken and its peer has not acknowledged (SIOCOUTQ of tcp(7) and unix(7), which has the number
// of TIOCOUTQ); -1 with errno.
static inline int clinux_unacknowledged(int descriptor) {
  int count = 0;
  return ioctl(descriptor, TIOCOUTQ, &count) < 0 ? -1 : count;
}

// How many columns a terminal has (ioctl_tty(2)); 0 where it does not say, -1 where the descriptor is no terminal.
static inline int clinux_terminal_columns(int descriptor) {
  struct winsize size;
  return ioctl(descriptor, TIOCGWINSZ, &size) < 0 ? -1 : size.ws_col;
}

// futex(2), shared between processes. `timeout` is relative; NULL waits without end.
static inline long clinux_futex_wait(const uint32_t *word, uint32_t expected, const struct timespec *timeout) {
  return syscall(SYS_futex, word, FUTEX_WAIT, expected, timeout, NULL, 0);
}

static inline long clinux_futex_wake_all(const uint32_t *word) {
  return syscall(SYS_futex, word, FUTEX_WAKE, INT32_MAX, NULL, NULL, 0);
}

static const uint32_t clinux_epoll_in = EPOLLIN;
static const uint32_t clinux_epoll_out = EPOLLOUT;
static const uint32_t clinux_epoll_error = EPOLLERR;
static const uint32_t clinux_epoll_hang_up = EPOLLHUP;
static const int clinux_epoll_close_on_exec = EPOLL_CLOEXEC;

// Flags of the descriptors that never wait and do not pass through exec.
static const int clinux_inotify_flags = IN_NONBLOCK | IN_CLOEXEC;
static const int clinux_signalfd_flags = SFD_NONBLOCK | SFD_CLOEXEC;
static const int clinux_eventfd_flags = EFD_NONBLOCK | EFD_CLOEXEC;

static const uint32_t clinux_inotify_moved_in = IN_MOVED_TO;
static const uint32_t clinux_inotify_created = IN_CREATE;
static const uint32_t clinux_inotify_self_deleted = IN_DELETE_SELF;
static const uint32_t clinux_inotify_self_moved = IN_MOVE_SELF;
static const uint32_t clinux_inotify_ignored = IN_IGNORED;
static const uint32_t clinux_inotify_unmounted = IN_UNMOUNT;
static const uint32_t clinux_inotify_overflow = IN_Q_OVERFLOW;
static const uint32_t clinux_inotify_is_folder = IN_ISDIR;
static const uint32_t clinux_inotify_only_folder = IN_ONLYDIR;

// ioctl is variadic. Answers 0 and how many bytes could be read now, or -1 with errno.
static inline int clinux_bytes_to_read(int descriptor, int *count) {
  return ioctl(descriptor, FIONREAD, count);
}

// One datagram to the socket at `path`; a first '@' stands for the NUL of an abstract name (unix(7)). Never waits.
// Answers the count sent, or -1 with errno.
static inline ssize_t clinux_send_datagram(const char *path, const char *text, size_t count) {
  struct sockaddr_un address;
  memset(&address, 0, sizeof address);
  address.sun_family = AF_UNIX;
  const size_t length = strlen(path);
  if (length == 0 || length >= sizeof address.sun_path) {
    errno = ENAMETOOLONG;
    return -1;
  }
  memcpy(address.sun_path, path, length);
  if (path[0] == '@') address.sun_path[0] = 0;
  const int descriptor = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (descriptor < 0) return -1;
  const ssize_t sent = sendto(
      descriptor, text, count, MSG_NOSIGNAL, (const struct sockaddr *)&address,
      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length));
  const int code = errno;
  close(descriptor);
  errno = code;
  return sent;
}

#endif
