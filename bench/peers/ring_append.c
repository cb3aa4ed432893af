// Does by hand, in C, what RingWriter.append does: the same stores in the same order into the same kind of file.
//
//   ring_append FOLDER CAPACITY SIZE COUNT
//
// Makes FOLDER/queue.ring (Sources/Ring/QueueLayout.swift draws it), goes round it once, then times COUNT appends and
// prints nanoseconds for each. bench/append.py has RingBench read the file afterwards: every record must be right.
#include <err.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "crc32c.h"
#include "ring_layout.h"

// The processor's checksum instruction may be inlined only into a function that is allowed to use it.
#if defined(__x86_64__)
#define MAY_CHECKSUM __attribute__((target("sse4.2,pclmul")))
#else
#define MAY_CHECKSUM __attribute__((target("+crc")))
#endif

struct writer {
  unsigned char *file;
  uint64_t capacity, oldest, intent, published, next;
};

static inline void store(struct writer *w, uint64_t position, uint64_t word) {
  *(uint64_t *)(w->file + HEADER_BYTES + (position & (w->capacity - 1))) = word;
}

static inline _Atomic uint64_t *field(struct writer *w, size_t offset) {
  return (_Atomic uint64_t *)(w->file + offset);
}

MAY_CHECKSUM static inline uint64_t append(
    struct writer *w, uint64_t kind, uint64_t span, const void *payload, uint32_t length, uint64_t received) {
  const uint64_t start = w->published, end = start + RECORD_BYTES(length);
  if (RECORD_BYTES(length) > w->capacity / 8) errx(1, "a payload of %u bytes is too large", length);

  if (end > w->intent) w->intent = end;
  if (w->intent - w->oldest > w->capacity) {
    do {
      const uint64_t *oldest = (const uint64_t *)(w->file + HEADER_BYTES + (w->oldest & (w->capacity - 1)));
      w->oldest += RECORD_BYTES(*oldest & 0xFFFFFFFF);
    } while (w->intent - w->oldest > w->capacity);
    atomic_store_explicit(field(w, OLDEST), w->oldest, memory_order_release);
  }
  atomic_store_explicit(field(w, INTENT), w->intent, memory_order_release);
  atomic_thread_fence(memory_order_release);

  uint64_t words[8] = {length, w->next, kind, span, 0, 0, 0, received};
  uint32_t checksum = ~0u;
  if (CHECKSUM_COVERS_POSITION) checksum = clinux_crc32c(checksum, &start, 8);
  checksum = clinux_crc32c(checksum, words, sizeof words);
  checksum = ~clinux_crc32c(checksum, payload, length);
  words[0] |= (uint64_t)checksum << 32;
  for (int index = 0; index < 8; index++) store(w, start + 8 * index, words[index]);
  const uint64_t place = (start + sizeof words) & (w->capacity - 1), run = w->capacity - place;
  const uint32_t first = length <= run ? length : run;
  memcpy(w->file + HEADER_BYTES + place, payload, first);
  if (first < length) memcpy(w->file + HEADER_BYTES, (const char *)payload + first, length - first);
  if (length & 7) memset(w->file + HEADER_BYTES + ((start + sizeof words + length) & (w->capacity - 1)), 0, 8 - (length & 7));
  store(w, end - 8, RECORD_BYTES(length));

  atomic_store_explicit(field(w, PUBLISHED), end, memory_order_release);
  w->published = end;
  w->next += span;
  atomic_store_explicit(field(w, SEQUENCE), w->next, memory_order_release);
  atomic_store_explicit(field(w, SEQUENCE_CHECK), ~w->next, memory_order_relaxed);
  return w->next;
}

static struct writer make(const char *folder, uint64_t capacity) {
  char path[4096];
  snprintf(path, sizeof path, "%s/queue.ring", folder);
  const int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0) err(1, "%s", path);
  if (posix_fallocate(fd, 0, HEADER_BYTES + capacity) != 0) errx(1, "%s: cannot allocate", path);
  struct writer w = {.capacity = capacity, .next = 1};
  w.file = mmap(NULL, HEADER_BYTES + capacity, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (w.file == MAP_FAILED) err(1, "mmap");
  const uint64_t header[5] = {MAGIC, VERSION, capacity, 1, 1};
  memcpy(w.file, header, sizeof header);
  *(uint64_t *)(w.file + HEADER_CHECKSUM) = (uint32_t)~clinux_crc32c(~0u, header, sizeof header);
  append(&w, KIND_POSITION, 0, "", 0, 1);  // a queue is never without a record
  if (fsync(fd) != 0) err(1, "fsync");
  close(fd);
  return w;
}

// Time on a processor, as RingBench takes it.
static uint64_t nanoseconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return (uint64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

MAY_CHECKSUM static void fill(struct writer *w, const void *payload, uint32_t size, uint64_t count) {
  for (uint64_t number = 0; number < count; number++) append(w, KIND_MESSAGE, 1, payload, size, number);
}

int main(int count, char **arguments) {
  if (count != 5) errx(64, "usage: ring_append FOLDER CAPACITY SIZE COUNT");
  if (!clinux_crc32c_available()) errx(69, "this processor has no instruction for CRC-32C");
  const uint64_t capacity = strtoull(arguments[2], NULL, 10), size = strtoull(arguments[3], NULL, 10);
  const uint64_t records = strtoull(arguments[4], NULL, 10);
  struct writer w = make(arguments[1], capacity);
  void *payload = aligned_alloc(64, (size + 63) & ~UINT64_C(63));
  if (payload == NULL) err(1, "memory");
  memset(payload, 'x', size);
  fill(&w, payload, size, capacity / size + 1);
  const uint64_t start = nanoseconds();
  fill(&w, payload, size, records);
  printf("%.4f\n", (double)(nanoseconds() - start) / records);
  return 0;
}
