// Publishes messages of one size as fast as the server takes them, but never far ahead of its subscriber.
//
//   publisher ADDRESS CHANNEL COUNT SIZE AHEAD
//
// Each message is a JSON object of exactly SIZE bytes with the members from, text, ts and time; the text starts with the
// message's number. AHEAD is how many bytes may wait for subscribers in the server's output buffers (`omem` of CLIENT
// LIST) before the publisher pauses: so one slow subscriber neither is cut off nor lives off the server's memory. Ends
// when nothing waits any more; prints the seconds since the first message. Expects exactly one subscriber.

#include "connect.h"

#include <errno.h>
#include <time.h>
#include <unistd.h>

enum { BATCH = 512, BATCHES_BETWEEN_LOOKS = 8 };

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void write_all(int socket, const char *bytes, size_t count) {
  while (count > 0) {
    ssize_t written = write(socket, bytes, count);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) fail("write", strerror(errno));
    bytes += written;
    count -= (size_t)written;
  }
}

// Reads one ":1\r\n" a message; anything else is the end.
static void read_answers(int socket, size_t count) {
  static char answers[4 * BATCH];
  size_t have = 0, want = 4 * count;
  while (have < want) {
    ssize_t got = read(socket, answers + have, want - have);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) fail("read", got == 0 ? "connection closed" : strerror(errno));
    have += (size_t)got;
  }
  for (size_t index = 0; index < count; index++)
    if (memcmp(answers + 4 * index, ":1\r\n", 4) != 0) fail("publish", "not exactly one subscriber");
}

// The bytes that wait for subscribers in the server.
static unsigned long waiting(redisContext *redis) {
  unsigned long sum = 0;
  redisReply *reply = redisCommand(redis, "CLIENT LIST TYPE pubsub");
  if (reply == NULL || reply->type == REDIS_REPLY_ERROR) fail("CLIENT LIST", reply ? reply->str : redis->errstr);
  // Redis 7 sends a verbatim string to RESP3 clients and a plain one to us.
  for (const char *at = reply->str; (at = strstr(at, " omem=")) != NULL; at += 6) sum += strtoul(at + 6, NULL, 10);
  freeReplyObject(reply);
  return sum;
}

static void wait_until_at_most(redisContext *redis, unsigned long ahead) {
  const struct timespec pause = {.tv_nsec = 500 * 1000};
  while (waiting(redis) > ahead) nanosleep(&pause, NULL);
}

int main(int count_of_arguments, char **arguments) {
  if (count_of_arguments != 6) fail("usage", "publisher ADDRESS CHANNEL COUNT SIZE AHEAD");
  const char *channel = arguments[2];
  const size_t count = strtoul(arguments[3], NULL, 10), size = strtoul(arguments[4], NULL, 10);
  const unsigned long ahead = strtoul(arguments[5], NULL, 10);
  redisContext *redis = connect_to(arguments[1]);

  static const char before[] = "{\"from\": \"bench\", \"text\": \"";
  static const char after[] = "\", \"ts\": 1767225600.123456, \"time\": \"2026-01-01T00:00:00.123456\"}";
  const size_t least = sizeof before - 1 + 10 + sizeof after - 1;
  if (size < least) fail("SIZE", "too small for a message");

  // The whole batch is laid out once; only the ten digits of the number change from message to message.
  char head[256];
  int head_size = snprintf(head, sizeof head, "*3\r\n$7\r\nPUBLISH\r\n$%zu\r\n%s\r\n$%zu\r\n", strlen(channel), channel, size);
  if (head_size < 0 || (size_t)head_size >= sizeof head) fail("CHANNEL", "too long");
  const size_t stride = (size_t)head_size + size + 2;
  char *batch = malloc(stride * BATCH + 1);
  if (batch == NULL) fail("malloc", "out of memory");
  for (size_t index = 0; index < BATCH; index++) {
    char *at = batch + stride * index;
    memcpy(at, head, (size_t)head_size);
    at += head_size;
    memset(at, 'x', size);
    memcpy(at, before, sizeof before - 1);
    memcpy(at + size - (sizeof after - 1), after, sizeof after - 1);
    memcpy(at + size, "\r\n", 2);
  }

  const size_t number_at = (size_t)head_size + sizeof before - 1;
  const double start = now();
  size_t sent = 0;
  for (unsigned long turn = 1; sent < count; turn++) {
    const size_t part = count - sent < BATCH ? count - sent : BATCH;
    for (size_t index = 0; index < part; index++) {
      size_t number = sent + index;
      char *digits = batch + stride * index + number_at;
      for (int place = 9; place >= 0; place--, number /= 10) digits[place] = (char)('0' + number % 10);
    }
    write_all(redis->fd, batch, stride * part);
    read_answers(redis->fd, part);
    sent += part;
    if (turn % BATCHES_BETWEEN_LOOKS == 0) wait_until_at_most(redis, ahead);
  }
  wait_until_at_most(redis, 0);
  printf("%.6f\n", now() - start);
  free(batch);
  redisFree(redis);
  return 0;
}
