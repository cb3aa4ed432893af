// Starts programs cold, over and over, and measures each as a whole process: posix_spawn to wait4.
//
//   cold time COUNT BLOCK PROGRAM WORD... [-- PROGRAM WORD...]...
//   cold memory PROGRAM WORD... [-- ...]
//
// `time` runs COUNT of each, in turns of BLOCK, so that what else the machine does hits all of them; prints a line for
// each: median and lowest in microseconds. `memory` runs each once under ptrace, stops it where it is about to give up
// its memory, and prints its own peak since exec (VmHWM), and how much of what it has then is anonymous and how much are
// pages of files (from smaps_rollup, which counts; the figures in status are batched per processor), in KiB.
// ru_maxrss would not do: it includes what this program had when it forked.
//
// Standard output goes to /dev/null. A program that fails, or says anything on stderr, ends the measurement.
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

enum { MOST = 16 };

static uint64_t nanoseconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int ascending(const void *left, const void *right) {
  const uint64_t l = *(const uint64_t *)left, r = *(const uint64_t *)right;
  return (l > r) - (l < r);
}

static void expect_success(const char *program, int status, int errors) {
  struct stat said;
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) errx(1, "%s failed: wait status %#x", program, status);
  if (fstat(errors, &said) == 0 && said.st_size > 0) {
    char text[512];
    const ssize_t count = pread(errors, text, sizeof text, 0);
    errx(1, "%s said: %.*s", program, count > 0 ? (int)count : 0, text);
  }
}

static uint64_t run(char **words, const posix_spawn_file_actions_t *actions, int errors) {
  pid_t child;
  int status;
  const uint64_t start = nanoseconds();
  const int failure = posix_spawn(&child, words[0], actions, NULL, words, environ);
  if (failure != 0) errx(1, "%s: %s", words[0], strerror(failure));
  while (wait4(child, &status, 0, NULL) < 0) {
    if (errno != EINTR) err(1, "wait4");
  }
  const uint64_t end = nanoseconds();
  expect_success(words[0], status, errors);
  return end - start;
}

static void measure_time(char **subjects[], int subject_count, int count, int block, int null, int errors) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, null, 1);
  posix_spawn_file_actions_adddup2(&actions, errors, 2);
  uint64_t *times[MOST];
  for (int subject = 0; subject < subject_count; subject++) {
    times[subject] = calloc(count, sizeof(uint64_t));
    if (times[subject] == NULL) err(1, "memory");
    run(subjects[subject], &actions, errors);  // from now on its pages are in the page cache
  }
  for (int done = 0; done < count; done += block) {
    for (int subject = 0; subject < subject_count; subject++) {
      for (int index = done; index < done + block && index < count; index++) {
        times[subject][index] = run(subjects[subject], &actions, errors);
      }
    }
  }
  for (int subject = 0; subject < subject_count; subject++) {
    qsort(times[subject], count, sizeof(uint64_t), ascending);
    printf("%.1f %.1f\n", times[subject][count / 2] / 1e3, times[subject][0] / 1e3);
  }
}

// The number behind `name` in a file of /proc, in KiB.
static long field(pid_t pid, const char *file, const char *name) {
  char path[64], line[256];
  snprintf(path, sizeof path, "/proc/%d/%s", pid, file);
  FILE *stream = fopen(path, "re");
  long found = -1;
  if (stream == NULL) err(1, "%s", path);
  while (found < 0 && fgets(line, sizeof line, stream) != NULL) {
    if (strncmp(line, name, strlen(name)) == 0) found = strtol(line + strlen(name), NULL, 10);
  }
  fclose(stream);
  if (found < 0) errx(1, "%s does not tell %s", path, name);
  return found;
}

static void measure_memory(char **words, int null, int errors) {
  const pid_t child = fork();
  if (child < 0) err(1, "fork");
  if (child == 0) {
    dup2(null, 1);
    dup2(errors, 2);
    if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0) _exit(126);
    execve(words[0], words, environ);
    _exit(127);
  }
  int status, signal = 0;
  if (waitpid(child, &status, 0) < 0) err(1, "waitpid");  // stopped by the exec
  if (!WIFSTOPPED(status)) errx(1, "%s cannot be started and traced", words[0]);
  if (ptrace(PTRACE_SETOPTIONS, child, NULL, PTRACE_O_TRACEEXIT | PTRACE_O_EXITKILL) < 0) err(1, "ptrace");
  while (ptrace(PTRACE_CONT, child, NULL, (void *)(intptr_t)signal) == 0 && waitpid(child, &status, 0) == child) {
    if (!WIFSTOPPED(status)) {
      expect_success(words[0], status, errors);
      return;
    }
    signal = WSTOPSIG(status);
    if (status >> 8 == (SIGTRAP | PTRACE_EVENT_EXIT << 8)) {
      const long resident = field(child, "smaps_rollup", "Rss:"), anonymous = field(child, "smaps_rollup", "Anonymous:");
      printf("%ld %ld %ld\n", field(child, "status", "VmHWM:"), anonymous, resident - anonymous);
      signal = 0;
    }
  }
  err(1, "ptrace");
}

int main(int count, char **arguments) {
  const int is_time = count > 4 && strcmp(arguments[1], "time") == 0;
  if (!is_time && !(count > 2 && strcmp(arguments[1], "memory") == 0)) errx(64, "usage: see the source");
  char **subjects[MOST];
  int subject_count = 0;
  for (int index = is_time ? 4 : 2; index < count; index++) {
    if (subject_count == MOST) errx(64, "at most %d programs", MOST);
    subjects[subject_count++] = &arguments[index];
    while (index < count && strcmp(arguments[index], "--") != 0) index++;
    arguments[index] = NULL;
  }
  const int null = open("/dev/null", O_WRONLY | O_CLOEXEC), errors = memfd_create("stderr", MFD_CLOEXEC);
  if (null < 0 || errors < 0) err(1, "cannot begin");
  if (is_time) {
    measure_time(subjects, subject_count, atoi(arguments[2]), atoi(arguments[3]), null, errors);
  } else {
    for (int subject = 0; subject < subject_count; subject++) measure_memory(subjects[subject], null, errors);
  }
  return 0;
}
