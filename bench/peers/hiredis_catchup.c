// The usual C way to read a stream: hiredis' blocking API, XRANGE in pages, each payload and a newline appended to a file.
//
//   hiredis_catchup ADDRESS STREAM AFTER COUNT PAGE FILE stdio|write
//
// Reads the COUNT entries behind the id AFTER, at most PAGE at once, and saves the value of their field `m`. The connection is
// made and the first page asked for at once. Prints the monotonic clock, in seconds, when all is saved, and stays until
// standard input ends, so that the CPU time can be read; save.h says how it saves.

#include "save.h"

#include <time.h>

// The value of the field `m` of an entry: [id, [field, value, ...]].
static redisReply *object(const redisReply *entry) {
  if (entry->type != REDIS_REPLY_ARRAY || entry->elements != 2 || entry->element[1]->type != REDIS_REPLY_ARRAY)
    fail("XRANGE", "an entry of another shape");
  const redisReply *fields = entry->element[1];
  for (size_t index = 0; index + 1 < fields->elements; index += 2)
    if (strcmp(fields->element[index]->str, "m") == 0) return fields->element[index + 1];
  fail("XRANGE", "an entry without a message");
  return NULL;
}

int main(int count_of_arguments, char **arguments) {
  if (count_of_arguments != 8) fail("usage", "hiredis_catchup ADDRESS STREAM AFTER COUNT PAGE FILE stdio|write");
  const size_t count = strtoul(arguments[4], NULL, 10);
  redisContext *redis = connect_to(arguments[1]);
  const saver to = open_saver(arguments[6], arguments[7]);
  char after[64];
  snprintf(after, sizeof after, "(%s", arguments[3]);

  size_t received = 0;
  for (;;) {
    redisReply *page = redisCommand(redis, "XRANGE %s %s + COUNT %s", arguments[2], after, arguments[5]);
    if (page == NULL || page->type != REDIS_REPLY_ARRAY) fail("XRANGE", page ? page->str : redis->errstr);
    for (size_t index = 0; index < page->elements; index++) {
      save_payload(&to, object(page->element[index]));
      received++;
    }
    const size_t entries = page->elements;
    if (entries > 0) snprintf(after, sizeof after, "(%s", page->element[entries - 1]->element[0]->str);
    freeReplyObject(page);
    if (entries == 0 || received >= count) break;
  }
  if (received != count) fail("XRANGE", "another number of entries");
  if (fflush(to.stream) != 0) fail("fflush", strerror(errno));
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  printf("%lld.%09ld\n", (long long)now.tv_sec, now.tv_nsec);
  fflush(stdout);
  while (getchar() != EOF) {
  }
  return 0;
}
