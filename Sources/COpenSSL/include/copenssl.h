// What Swift cannot use of OpenSSL 3: macros, stacks, and the calls back. Everything else is called by its own name.
#ifndef COPENSSL_H
#define COPENSSL_H

#include <openssl/err.h>
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

// The subject alternative name number `index` among the DNS names and IP addresses of a certificate: its length, of which
// at most `room` bytes are written; -1 where there are not so many. The bytes are the peer's own, whatever they are.
int copenssl_alternative_name(X509 *certificate, int index, char *text, int room);
// A name as RFC 2253 writes it, everything that is not printable ASCII escaped; ends with a NUL.
void copenssl_name_text(const X509_NAME *name, char *text, int room);
// Seconds since the Unix epoch; INT64_MIN where it is not a time.
int64_t copenssl_time(const ASN1_TIME *time);

// Where new sessions go: `keep` answers 1 where it takes the reference.
void copenssl_keep_sessions(SSL_CTX *context, int (*keep)(SSL *, SSL_SESSION *), void *owner);
void *copenssl_owner(const SSL *ssl);

// Never asks for a password: a key that needs one is refused.
void copenssl_refuse_passwords(SSL_CTX *context);

enum {
  copenssl_error_bad_password = PEM_R_BAD_PASSWORD_READ,
  copenssl_error_key_mismatch = X509_R_KEY_VALUES_MISMATCH,
};
int copenssl_is_error(unsigned long error, int library, int reason);
enum { copenssl_library_pem = ERR_LIB_PEM, copenssl_library_x509 = ERR_LIB_X509, copenssl_library_ssl = ERR_LIB_SSL };

#endif
