// The usual C subscriber: hiredis' blocking API, each payload and a newline appended to a file.
//
//   hiredis_subscriber ADDRESS CHANNEL COUNT FILE stdio|write
//
// Prints "ready" when subscribed and "done" after COUNT messages; save.h says the rest.

#include "save.h"

int main(int count_of_arguments, char **arguments) {
  if (count_of_arguments != 6) fail("usage", "hiredis_subscriber ADDRESS CHANNEL COUNT FILE stdio|write");
  const size_t count = strtoul(arguments[3], NULL, 10);
  redisContext *redis = connect_to(arguments[1]);
  const saver to = open_saver(arguments[4], arguments[5]);

  redisReply *reply = redisCommand(redis, "SUBSCRIBE %s", arguments[2]);
  if (reply == NULL) fail("SUBSCRIBE", redis->errstr);
  freeReplyObject(reply);
  puts("ready");
  fflush(stdout);

  for (size_t received = 0; received < count;) {
    if (redisGetReply(redis, (void **)&reply) != REDIS_OK) fail("receive", redis->errstr);
    if (reply->type == REDIS_REPLY_ARRAY) received += (size_t)save(&to, reply);
    freeReplyObject(reply);
  }
  end_saving(&to);
  return 0;
}
