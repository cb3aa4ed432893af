// What both programs share: the server's address as one word, and the end of the program on an error.
#ifndef BENCH_CONNECT_H
#define BENCH_CONNECT_H

#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static inline void fail(const char *what, const char *why) {
  fprintf(stderr, "%s: %s\n", what, why);
  exit(1);
}

// `address` is a port on 127.0.0.1, or the path of a unix socket.
static inline redisContext *connect_to(const char *address) {
  redisContext *redis = address[0] == '/' ? redisConnectUnix(address) : redisConnect("127.0.0.1", atoi(address));
  if (redis == NULL || redis->err) fail("connect", redis ? redis->errstr : "out of memory");
  return redis;
}

#endif
