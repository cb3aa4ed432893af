// The usual C subscriber: hiredis' blocking API, each payload and a newline appended to a file.
//
//   hiredis_subscriber ADDRESS CHANNEL COUNT FILE stdio|write
//
// `stdio` collects the lines in a FILE's buffer (4 KiB), flushed at the end only; `write` makes one write(2) a message,
// so that each stands in the file before the next is read, as the queue file of clawd promises. Prints "ready" when
// subscribed and "done" after COUNT messages, then stays until its standard input ends, so that its CPU time can be read.

#include "connect.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

int main(int count_of_arguments, char **arguments) {
  if (count_of_arguments != 6) fail("usage", "hiredis_subscriber ADDRESS CHANNEL COUNT FILE stdio|write");
  const size_t count = strtoul(arguments[3], NULL, 10);
  const int buffered = strcmp(arguments[5], "stdio") == 0;
  redisContext *redis = connect_to(arguments[1]);
  const int file = open(arguments[4], O_WRONLY | O_CREAT | O_APPEND | O_TRUNC, 0600);
  if (file < 0) fail(arguments[4], strerror(errno));
  FILE *stream = fdopen(file, "a");
  if (stream == NULL) fail(arguments[4], strerror(errno));

  redisReply *reply = redisCommand(redis, "SUBSCRIBE %s", arguments[2]);
  if (reply == NULL) fail("SUBSCRIBE", redis->errstr);
  freeReplyObject(reply);
  puts("ready");
  fflush(stdout);

  for (size_t received = 0; received < count;) {
    if (redisGetReply(redis, (void **)&reply) != REDIS_OK) fail("receive", redis->errstr);
    if (reply->type == REDIS_REPLY_ARRAY && reply->elements == 3 && strcmp(reply->element[0]->str, "message") == 0) {
      char *payload = reply->element[2]->str;
      const size_t size = reply->element[2]->len;
      if (buffered) {
        if (fwrite(payload, 1, size, stream) != size || putc_unlocked('\n', stream) == EOF) fail("fwrite", strerror(errno));
      } else {
        // hiredis ends every string with a zero byte; the newline takes its place, which saves a second vector.
        payload[size] = '\n';
        if (write(file, payload, size + 1) != (ssize_t)(size + 1)) fail("write", strerror(errno));
      }
      received++;
    }
    freeReplyObject(reply);
  }
  if (fflush(stream) != 0) fail("fflush", strerror(errno));
  puts("done");
  fflush(stdout);
  while (getchar() != EOF) {
  }
  return 0;
}
