// Other programs: starting one, becoming one, hearing how it ended. posix_spawn(3)'s attributes and the macros of
// waitpid(2) are not for Swift.
#ifndef CLINUX_PROCESS_H
#define CLINUX_PROCESS_H

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

// unistd.h shows it with _GNU_SOURCE only (see clinux.h).
extern char **environ;

// The `count` texts that lie one behind the other in `texts`, each with its final 0, into `pointers`.
static inline void clinux_list_texts(const char *texts, size_t count, char **pointers) {
  for (size_t index = 0; index < count; index++) {
    pointers[index] = (char *)texts;
    texts += strlen(texts) + 1;
  }
}

// Our own environment with `additions` (NAME=value) in it, each in place of what has its name; malloc(3)'s, or NULL.
static inline char **clinux_environment(const char *additions, size_t count) {
  size_t own = 0;
  while (environ != NULL && environ[own] != NULL) own++;
  char **all = (char **)malloc((own + count + 1) * sizeof *all);
  if (all == NULL) return NULL;
  clinux_list_texts(additions, count, all);
  size_t used = count;
  for (size_t index = 0; index < own; index++) {
    const char *equals = strchr(environ[index], '=');
    size_t name = equals == NULL ? strlen(environ[index]) : (size_t)(equals - environ[index]) + 1;
    size_t other = 0;
    while (other < count && strncmp(all[other], environ[index], name) != 0) other++;
    if (other == count) all[used++] = environ[index];
  }
  all[used] = NULL;
  return all;
}

// Starts a program: `arguments` are `count` texts, each with its final 0; the first, where it has no slash, is looked for in
// PATH. Its signals are as a shell would give them, and it leads a process group of its own. Answers its pid, or -1 and
// errno.
static inline pid_t clinux_spawn(
    const char *arguments, size_t count, const char *additions, size_t addition_count, int input, int output, int error) {
  char **list = (char **)malloc((count + 1) * sizeof *list);
  char **variables = clinux_environment(additions, addition_count);
  if (list == NULL || variables == NULL) {
    free(list);
    free(variables);
    errno = ENOMEM;
    return -1;
  }
  clinux_list_texts(arguments, count, list);
  list[count] = NULL;
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  sigset_t all, none;
  sigfillset(&all);
  sigemptyset(&none);
  pid_t pid = -1;
  int code = posix_spawn_file_actions_init(&actions);
  if (code == 0) {
    code = posix_spawnattr_init(&attributes);
    if (code == 0) {
      code = posix_spawnattr_setflags(
          &attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
      if (code == 0) code = posix_spawnattr_setsigmask(&attributes, &none);
      if (code == 0) code = posix_spawnattr_setsigdefault(&attributes, &all);
      if (code == 0) code = posix_spawnattr_setpgroup(&attributes, 0);
      if (code == 0) code = posix_spawn_file_actions_adddup2(&actions, input, 0);
      if (code == 0) code = posix_spawn_file_actions_adddup2(&actions, output, 1);
      if (code == 0) code = posix_spawn_file_actions_adddup2(&actions, error, 2);
      if (code == 0) code = posix_spawnp(&pid, list[0], &actions, &attributes, list, variables);
      posix_spawnattr_destroy(&attributes);
    }
    posix_spawn_file_actions_destroy(&actions);
  }
  free(list);
  free(variables);
  if (code == 0) return pid;
  errno = code;
  return -1;
}

// Becomes another program, looked for as above, with our environment and our signals' mask emptied; returns only on failure.
static inline int clinux_become(const char *arguments, size_t count) {
  char **list = (char **)malloc((count + 1) * sizeof *list);
  if (list == NULL) return -1;
  clinux_list_texts(arguments, count, list);
  list[count] = NULL;
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  signal(SIGPIPE, SIG_DFL);
  signal(SIGXFSZ, SIG_DFL);
  execvp(list[0], list);
  int code = errno;
  free(list);
  errno = code;
  return -1;
}

// A descriptor that is readable once the process has ended (pidfd_open(2), Linux 5.3; close-on-exec by itself).
static inline long clinux_pidfd_open(pid_t pid) { return syscall(SYS_pidfd_open, pid, 0); }

// A file without a name, in memory (memfd_create(2), which glibc hides behind _GNU_SOURCE).
static inline long clinux_memory_file(const char *name) { return syscall(SYS_memfd_create, name, 1 /* MFD_CLOEXEC */); }

// A pipe whose ends are close-on-exec; only the reading one does not block.
static inline int clinux_pipe(int ends[2]) {
  if (pipe(ends) < 0) return -1;
  if (fcntl(ends[0], F_SETFD, FD_CLOEXEC) == 0 && fcntl(ends[1], F_SETFD, FD_CLOEXEC) == 0 &&
      fcntl(ends[0], F_SETFL, O_NONBLOCK) == 0) {
    return 0;
  }
  int code = errno;
  close(ends[0]);
  close(ends[1]);
  errno = code;
  return -1;
}

// How it ended: its exit code, or 256 + the signal's number; -2 while it runs, -1 and errno on failure.
static inline int clinux_reap(pid_t pid) {
  int status = 0;
  pid_t got = waitpid(pid, &status, WNOHANG);
  if (got < 0) return -1;
  if (got == 0) return -2;
  return WIFSIGNALED(status) ? 256 + WTERMSIG(status) : WEXITSTATUS(status);
}

#endif
