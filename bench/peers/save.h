// What the subscribers do with each payload: they append it and a newline to a file.
#ifndef BENCH_SAVE_H
#define BENCH_SAVE_H

#include "connect.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

typedef struct {
  int file;
  FILE *stream;
  int buffered;
} saver;

// `way` is "stdio", which collects the lines in a FILE's buffer (4 KiB), or "write", which makes one write(2) a message, so
// that each stands in the file before the next is read, as the queue file of clawd promises.
static inline saver open_saver(const char *path, const char *way) {
  saver to = {.buffered = strcmp(way, "stdio") == 0};
  to.file = open(path, O_WRONLY | O_CREAT | O_APPEND | O_TRUNC, 0600);
  if (to.file < 0) fail(path, strerror(errno));
  to.stream = fdopen(to.file, "a");
  if (to.stream == NULL) fail(path, strerror(errno));
  return to;
}

static inline void save_payload(const saver *to, redisReply *string) {
  char *payload = string->str;
  const size_t size = string->len;
  if (to->buffered) {
    if (fwrite(payload, 1, size, to->stream) != size || putc_unlocked('\n', to->stream) == EOF)
      fail("fwrite", strerror(errno));
  } else {
    // hiredis ends every string with a zero byte; the newline takes its place, which saves a second vector.
    payload[size] = '\n';
    if (write(to->file, payload, size + 1) != (ssize_t)(size + 1)) fail("write", strerror(errno));
  }
}

// Saves the payload of `reply` if it is a message, of RESP2 or RESP3, and answers whether it is one.
static inline int save(const saver *to, redisReply *reply) {
  if (reply->elements != 3 || reply->element[0]->type != REDIS_REPLY_STRING ||
      strcmp(reply->element[0]->str, "message") != 0)
    return 0;
  save_payload(to, reply->element[2]);
  return 1;
}

// Says that all is saved, and stays until standard input ends, so that the CPU time can be read.
static inline void end_saving(const saver *to) {
  if (fflush(to->stream) != 0) fail("fflush", strerror(errno));
  puts("done");
  fflush(stdout);
  while (getchar() != EOF) {
  }
}

#endif
