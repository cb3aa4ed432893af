// The usual C subscriber over TLS: OpenSSL's blocking reads into 64 KiB, hiredis' parser, each payload and a newline appended
// to a file.
//
//   hiredis_tls_subscriber PORT CHANNEL COUNT FILE stdio|write CA
//
// As hiredis_subscriber otherwise. Connects to 127.0.0.1 and verifies the server's certificate with the authority in CA.

#include "connect.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

static SSL *connect_tls(int port, const char *authority) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int descriptor = socket(AF_INET, SOCK_STREAM, 0);
  if (connect(descriptor, (struct sockaddr *)&address, sizeof address) != 0) fail("connect", strerror(errno));
  SSL_CTX *context = SSL_CTX_new(TLS_client_method());
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
  if (SSL_CTX_load_verify_file(context, authority) != 1) fail(authority, "no certificate");
  SSL *tls = SSL_new(context);
  X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(tls), "127.0.0.1");
  SSL_set_fd(tls, descriptor);
  if (SSL_connect(tls) != 1) fail("TLS", "the handshake failed");
  return tls;
}

int main(int count_of_arguments, char **arguments) {
  if (count_of_arguments != 7) fail("usage", "hiredis_tls_subscriber PORT CHANNEL COUNT FILE stdio|write CA");
  const size_t count = strtoul(arguments[3], NULL, 10);
  const int buffered = strcmp(arguments[5], "stdio") == 0;
  SSL *tls = connect_tls(atoi(arguments[1]), arguments[6]);
  const int file = open(arguments[4], O_WRONLY | O_CREAT | O_APPEND | O_TRUNC, 0600);
  if (file < 0) fail(arguments[4], strerror(errno));
  FILE *stream = fdopen(file, "a");
  if (stream == NULL) fail(arguments[4], strerror(errno));

  char command[512];
  int length = snprintf(
    command, sizeof command, "*2\r\n$9\r\nSUBSCRIBE\r\n$%zu\r\n%s\r\n", strlen(arguments[2]), arguments[2]);
  if (SSL_write(tls, command, length) != length) fail("SUBSCRIBE", "not sent");

  static char bytes[64 * 1024];
  redisReader *reader = redisReaderCreate();
  for (size_t received = 0; received < count;) {
    int got = SSL_read(tls, bytes, sizeof bytes);
    if (got <= 0) fail("receive", "the connection ended");
    if (redisReaderFeed(reader, bytes, (size_t)got) != REDIS_OK) fail("receive", reader->errstr);
    redisReply *reply = NULL;
    while (redisReaderGetReply(reader, (void **)&reply) == REDIS_OK && reply != NULL) {
      if (reply->type == REDIS_REPLY_ARRAY && reply->elements == 3 && strcmp(reply->element[0]->str, "subscribe") == 0) {
        puts("ready");
        fflush(stdout);
      } else if (reply->type == REDIS_REPLY_ARRAY && reply->elements == 3) {
        char *payload = reply->element[2]->str;
        const size_t size = reply->element[2]->len;
        if (buffered) {
          if (fwrite(payload, 1, size, stream) != size || putc_unlocked('\n', stream) == EOF) fail("fwrite", strerror(errno));
        } else {
          payload[size] = '\n';
          if (write(file, payload, size + 1) != (ssize_t)(size + 1)) fail("write", strerror(errno));
        }
        received++;
      }
      freeReplyObject(reply);
    }
    if (reader->err) fail("receive", reader->errstr);
  }
  if (fflush(stream) != 0) fail("fflush", strerror(errno));
  puts("done");
  fflush(stdout);
  while (getchar() != EOF) {
  }
  return 0;
}
