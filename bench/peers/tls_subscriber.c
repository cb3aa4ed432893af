// A C subscriber over TLS: OpenSSL's blocking calls, hiredis' parser, each payload and a newline appended to a file.
//
//   tls_subscriber PORT CA_FILE CHANNEL COUNT FILE stdio|write
//
// Prints "ready" when subscribed and "done" after COUNT messages; save.h says the rest.

#include "save.h"
#include "tls.h"

int main(int count_of_arguments, char **arguments) {
  if (count_of_arguments != 7) fail("usage", "tls_subscriber PORT CA_FILE CHANNEL COUNT FILE stdio|write");
  const size_t count = strtoul(arguments[4], NULL, 10);
  SSL *ssl = tls_connect(tls_context(arguments[2]), atoi(arguments[1]), NULL);
  const saver to = open_saver(arguments[5], arguments[6]);
  redisReader *reader = redisReaderCreate();

  char command[512];
  snprintf(command, sizeof command, "SUBSCRIBE %s\r\n", arguments[3]);
  tls_write(ssl, command);
  freeReplyObject(tls_reply(ssl, reader));
  puts("ready");
  fflush(stdout);

  for (size_t received = 0; received < count;) {
    redisReply *reply = tls_reply(ssl, reader);
    received += (size_t)save(&to, reply);
    freeReplyObject(reply);
  }
  end_saving(&to);
  return 0;
}
