// What Swift cannot use of OpenSSL 3: macros, stacks, and the calls back. Everything else is called by its own name.
#ifndef COPENSSL_H
#define COPENSSL_H

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stddef.h>
#include <stdint.h>

// What one connection shares with OpenSSL. The memory is lent for the length of one call: `copenssl_method`'s BIO reads
// from the one end and writes to the other, moving both along, and asks for a repetition where nothing is left.
typedef struct copenssl_wire {
  const unsigned char *input;
  size_t input_count;
  unsigned char *output;
  size_t output_room;
  // What the verification refused: an X509_V_ERR, 0 for nothing; how far above the server's own certificate; the
  // certificate there, and the server's own. Both are references of ours.
  int refusal;
  int refusal_depth;
  X509 *refused;
  X509 *leaf;
  // Whether the server has asked for a certificate of ours.
  int was_asked_for_certificate;
} copenssl_wire;

// A new kind of BIO whose data is a `copenssl_wire`; to be freed with BIO_meth_free after the last BIO of it.
BIO_METHOD *copenssl_method(void);

// Gives `ssl` its wire: a BIO of `method` for both directions, and what the calls back find it by. 0: no memory.
int copenssl_attach(SSL *ssl, BIO_METHOD *method, copenssl_wire *wire);

// Gives back what the wire holds references to.
void copenssl_wire_clear(copenssl_wire *wire);

// Sets what every context of ours has: verification with no way around it, renegotiation and compression off, at
// least TLS 1.2 and security level 2 (112 bits; no SHA-1 signatures). A system policy that asks for more stands.
void copenssl_harden(SSL_CTX *context);

// Each makes one call and answers SSL_get_error's code, SSL_ERROR_NONE where it succeeded.
int copenssl_handshake(SSL *ssl);
// Reads until `room` is full or the input is used up (SSL_ERROR_WANT_READ).
int copenssl_read(SSL *ssl, const copenssl_wire *wire, unsigned char *to, size_t room, size_t *count);
int copenssl_write(SSL *ssl, const unsigned char *from, size_t length, size_t *count);

// Server Name Indication (RFC 6066 section 3).
int copenssl_set_server_name(SSL *ssl, const char *name);

// Takes the oldest error from the queue of this thread and forgets the others. 0: there is none.
unsigned long copenssl_take_error(void);
// What an error of the SSL library says: the alert's number where the peer sent one, else -1.
int copenssl_alert(unsigned long error);
int copenssl_is_ssl_error(unsigned long error, int reason);
// Whether it says that a private key is not its certificate's.
int copenssl_is_key_mismatch(unsigned long error);

// How many DNS names and IP addresses a certificate has as subject alternative names. The first `shown` of them: their
// lengths, and of each at most `room` bytes at the same multiple of `room` in `texts`. The bytes are the peer's own, whatever
// they are.
int copenssl_alternative_names(X509 *certificate, char *texts, int room, int *lengths, int shown);
// A name as RFC 2253 writes it, everything that is not printable ASCII escaped; ends with a NUL.
void copenssl_name_text(const X509_NAME *name, char *text, int room);
// Seconds since the Unix epoch; INT64_MIN where it is not a time.
int64_t copenssl_time(const ASN1_TIME *time);

// Where new sessions go: `keep` answers 1 where it takes the reference.
void copenssl_keep_sessions(SSL_CTX *context, int (*keep)(SSL *, SSL_SESSION *), void *owner);
void *copenssl_owner(const SSL *ssl);

// Reads the private key in the file `path` (PEM): 1, or 0 and an error, or -1 where it is under a password, which nobody
// is asked for.
int copenssl_use_key(SSL_CTX *context, const char *path);

// The SHA-1 of `count` bytes, in 20. 0: OpenSSL has none here.
int copenssl_sha1(const unsigned char *bytes, size_t count, unsigned char *digest);

#endif
