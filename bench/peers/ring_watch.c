// Says when a queue file has COUNT more records than now: prints "ready", and then the monotonic clock in seconds.
//
//   ring_watch STATE-FOLDER COUNT
//
// Looks every 200 microseconds at the next sequence number and at nothing else; waits for ever.

#include <err.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "ring_layout.h"

int main(int count, char **arguments) {
  if (count != 3) errx(64, "usage: ring_watch STATE-FOLDER COUNT");
  char path[4096];
  snprintf(path, sizeof path, "%s/queue.ring", arguments[1]);
  const int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) err(1, "%s", path);
  const char *header = mmap(NULL, HEADER_BYTES, PROT_READ, MAP_SHARED, file, 0);
  if (header == MAP_FAILED) err(1, "%s", path);
  if (*(const uint64_t *)header != MAGIC) errx(1, "not ours");

  const _Atomic uint64_t *sequence = (const _Atomic uint64_t *)(header + SEQUENCE);
  const uint64_t wanted = *sequence + strtoull(arguments[2], NULL, 10);
  puts("ready");
  fflush(stdout);
  const struct timespec pause = {.tv_nsec = 200 * 1000};
  while (*sequence < wanted) nanosleep(&pause, NULL);
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  printf("%lld.%09ld\n", (long long)now.tv_sec, now.tv_nsec);
  return 0;
}
