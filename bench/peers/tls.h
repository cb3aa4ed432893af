// TLS to a server on 127.0.0.1, verified against one CA, with OpenSSL's blocking calls.
#ifndef BENCH_TLS_H
#define BENCH_TLS_H

#include "connect.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

static inline void fail_tls(const char *what) { fail(what, ERR_reason_error_string(ERR_peek_last_error())); }

static inline SSL_CTX *tls_context(const char *authority) {
  SSL_CTX *context = SSL_CTX_new(TLS_client_method());
  if (context == NULL) fail_tls("SSL_CTX_new");
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
  if (SSL_CTX_load_verify_locations(context, authority, NULL) != 1) fail_tls(authority);
  return context;
}

// Connects and shakes hands; `session` may be NULL.
static inline SSL *tls_connect(SSL_CTX *context, int port, SSL_SESSION *session) {
  const int made = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (made < 0 || connect(made, (struct sockaddr *)&address, sizeof address) != 0) fail("connect", strerror(errno));
  const int on = 1;
  setsockopt(made, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  SSL *ssl = SSL_new(context);
  if (ssl == NULL || SSL_set_fd(ssl, made) != 1) fail_tls("SSL_new");
  if (X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), "127.0.0.1") != 1) fail_tls("address");
  if (session != NULL) SSL_set_session(ssl, session);
  if (SSL_connect(ssl) != 1) fail_tls("SSL_connect");
  return ssl;
}

static inline void tls_write(SSL *ssl, const char *text) {
  if (SSL_write(ssl, text, (int)strlen(text)) <= 0) fail_tls("SSL_write");
}

// The next reply, of RESP2 or RESP3 pushes as this version of hiredis knows them. To be freed.
static inline redisReply *tls_reply(SSL *ssl, redisReader *reader) {
  static char buffer[16 * 1024];
  for (;;) {
    void *reply = NULL;
    if (redisReaderGetReply(reader, &reply) != REDIS_OK) fail("parse", reader->errstr);
    if (reply != NULL) return reply;
    const int got = SSL_read(ssl, buffer, sizeof buffer);
    if (got <= 0) fail_tls("SSL_read");
    redisReaderFeed(reader, buffer, (size_t)got);
  }
}

#endif
