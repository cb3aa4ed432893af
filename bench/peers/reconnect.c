// How long until a subscriber hears again.
//
//   reconnect bare PORT CA_FILE CHANNEL COUNT [resume]
//       connect, TLS handshake, HELLO 2, SUBSCRIBE, the confirmation: COUNT times; with `resume` each offers the session of
//       the one before. (This hiredis has no RESP3: HELLO 2 costs the same.)
//   reconnect watch SOCKET CHANNEL DATABASE
//       has the server close the connection that subscribes to CHANNEL, and publishes until somebody hears it again; it is
//       known by its DATABASE, which nobody else on this server uses
//
// Prints the seconds of each, a line each.

#include "tls.h"

#include <time.h>

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static SSL_SESSION *newest;
static int keep(SSL *ssl, SSL_SESSION *session) {
  (void)ssl;
  SSL_SESSION_free(newest);
  newest = session;
  return 1;
}

static void bare(int port, const char *authority, const char *channel, int count, int resumes) {
  SSL_CTX *context = tls_context(authority);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(context, keep);
  char subscribe[512];
  snprintf(subscribe, sizeof subscribe, "SUBSCRIBE %s\r\n", channel);
  for (int index = 0; index < count; index++) {
    const double start = now();
    SSL *ssl = tls_connect(context, port, resumes ? newest : NULL);
    redisReader *reader = redisReaderCreate();
    tls_write(ssl, "HELLO 2\r\n");
    freeReplyObject(tls_reply(ssl, reader));
    tls_write(ssl, subscribe);
    freeReplyObject(tls_reply(ssl, reader));
    const double seconds = now() - start;
    if (resumes && index > 0 && !SSL_session_reused(ssl)) fail("resume", "the server did not take the session");
    // The first of each kind finds nothing warm.
    if (index > 0) printf("%.6f\n", seconds);
    redisReaderFree(reader);
    const int descriptor = SSL_get_fd(ssl);
    SSL_shutdown(ssl);
    SSL_free(ssl);
    close(descriptor);
  }
}

static redisReply *ask(redisContext *redis, const char *text) {
  redisReply *reply = redisCommand(redis, text);
  if (reply == NULL || reply->type == REDIS_REPLY_ERROR) fail(text, reply ? reply->str : redis->errstr);
  return reply;
}

static void watch(const char *socket, const char *channel, int database) {
  redisContext *redis = connect_to(socket);
  redisReply *list = ask(redis, "CLIENT LIST TYPE pubsub");
  unsigned long id = 0;
  char mark[32];
  snprintf(mark, sizeof mark, " db=%d ", database);
  for (char *line = strtok(list->str, "\n"); line != NULL; line = strtok(NULL, "\n"))
    if (strstr(line, mark) != NULL) id = strtoul(line + strlen("id="), NULL, 10);
  if (id == 0) fail(channel, "nobody subscribes with this database");
  char kill[64];
  snprintf(kill, sizeof kill, "CLIENT KILL ID %lu", id);
  freeReplyObject(list);
  freeReplyObject(ask(redis, kill));
  const double start = now();
  const struct timespec pause = {.tv_nsec = 20 * 1000};
  for (;;) {
    redisReply *reply = redisCommand(redis, "PUBLISH %s %s", channel, "{\"from\":\"bench\",\"text\":\"x\"}");
    if (reply == NULL || reply->type != REDIS_REPLY_INTEGER) fail("PUBLISH", redis->errstr);
    const long long heard = reply->integer;
    freeReplyObject(reply);
    if (heard > 0) break;
    if (now() - start > 30) fail(channel, "nobody came back within 30 s");
    nanosleep(&pause, NULL);
  }
  printf("%.6f\n", now() - start);
}

int main(int count_of_arguments, char **arguments) {
  if (count_of_arguments >= 6 && strcmp(arguments[1], "bare") == 0)
    bare(atoi(arguments[2]), arguments[3], arguments[4], atoi(arguments[5]), count_of_arguments > 6);
  else if (count_of_arguments == 5 && strcmp(arguments[1], "watch") == 0)
    watch(arguments[2], arguments[3], atoi(arguments[4]));
  else
    fail("usage", "reconnect bare PORT CA_FILE CHANNEL COUNT [resume] | reconnect watch SOCKET CHANNEL DATABASE");
  return 0;
}
