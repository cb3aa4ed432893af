// The least that `clawq check` could be: opens and maps the queue file and the default cursor, and prints a line.
//
//   ring_check STATE-FOLDER
//
// Looks at one record, the newest. Believes whatever it finds: no checksum, no torn read, no other process is thought of.
#include <err.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ring_layout.h"

static const unsigned char *map(const char *folder, const char *name, size_t *size) {
  char path[4096];
  struct stat status;
  snprintf(path, sizeof path, "%s/%s", folder, name);
  const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0 || fstat(fd, &status) < 0) err(1, "%s", path);
  *size = status.st_size;
  const void *bytes = mmap(NULL, *size, PROT_READ, MAP_SHARED, fd, 0);
  if (bytes == MAP_FAILED) err(1, "%s", path);
  close(fd);
  return bytes;
}

static uint64_t word(const unsigned char *bytes) {
  uint64_t value;
  memcpy(&value, bytes, sizeof value);
  return value;
}

int main(int count, char **arguments) {
  if (count != 2) errx(64, "usage: ring_check STATE-FOLDER");
  size_t queue_bytes, cursor_bytes;
  const unsigned char *queue = map(arguments[1], "queue.ring", &queue_bytes);
  const unsigned char *cursor = map(arguments[1], "cursors/default", &cursor_bytes);
  if (queue_bytes <= HEADER_BYTES || word(queue) != MAGIC || cursor_bytes < CURSOR_BYTES) errx(1, "not ours");
  const uint64_t capacity = queue_bytes - HEADER_BYTES, published = word(queue + PUBLISHED);
  const unsigned char *ring = queue + HEADER_BYTES;
  const uint64_t length = word(ring + ((published - 8) & (capacity - 1)));
  const uint64_t place = published - length;
  const uint64_t next = word(ring + ((place + 8) & (capacity - 1))) + word(ring + ((place + 24) & (capacity - 1)));
  printf("%" PRIu64 " new messages\n", next - word(cursor + CURSOR_NEXT));
  return 0;
}
