#include "copenssl.h"

#include <arpa/inet.h>
#include <string.h>
#include <time.h>

// MARK: the BIO over lent memory

static int wire_read(BIO *bio, char *to, size_t room, size_t *count) {
  copenssl_wire *wire = BIO_get_data(bio);
  BIO_clear_retry_flags(bio);
  *count = room < wire->input_count ? room : wire->input_count;
  if (*count == 0) {
    BIO_set_retry_read(bio);
    return 0;
  }
  memcpy(to, wire->input, *count);
  wire->input += *count;
  wire->input_count -= *count;
  return 1;
}

static int wire_write(BIO *bio, const char *from, size_t length, size_t *count) {
  copenssl_wire *wire = BIO_get_data(bio);
  BIO_clear_retry_flags(bio);
  *count = length < wire->output_room ? length : wire->output_room;
  if (*count == 0) {
    BIO_set_retry_write(bio);
    return 0;
  }
  memcpy(wire->output, from, *count);
  wire->output += *count;
  wire->output_room -= *count;
  return 1;
}

static long wire_control(BIO *bio, int command, long number, void *pointer) {
  (void)bio, (void)number, (void)pointer;
  return command == BIO_CTRL_FLUSH || command == BIO_CTRL_DUP;
}

BIO_METHOD *copenssl_method(void) {
  BIO_METHOD *method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "lent memory");
  if (method == NULL) return NULL;
  BIO_meth_set_read_ex(method, wire_read);
  BIO_meth_set_write_ex(method, wire_write);
  BIO_meth_set_ctrl(method, wire_control);
  return method;
}

int copenssl_attach(SSL *ssl, BIO_METHOD *method, copenssl_wire *wire) {
  BIO *bio = BIO_new(method);
  if (bio == NULL) return 0;
  BIO_set_data(bio, wire);
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl, bio, bio);
  return SSL_set_ex_data(ssl, 0, wire);
}

void copenssl_wire_clear(copenssl_wire *wire) {
  X509_free(wire->refused);
  X509_free(wire->leaf);
  wire->refused = wire->leaf = NULL;
}

// MARK: verification

// Called for each certificate that passed, from the authority down, and once for the first fault.
static int verified(int passed, X509_STORE_CTX *store) {
  SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
  copenssl_wire *wire = ssl == NULL ? NULL : SSL_get_ex_data(ssl, 0);
  if (wire == NULL) return 0;
  X509 *leaf = X509_STORE_CTX_get0_cert(store);
  int depth = X509_STORE_CTX_get_error_depth(store);
  // OpenSSL itself lets an authority's certificate stand as a server's; Mozilla's and WebPKI's verifiers do not.
  if (passed && depth == 0 && (X509_get_extension_flags(leaf) & EXFLAG_CA) != 0) {
    X509_STORE_CTX_set_error(store, X509_V_ERR_APPLICATION_VERIFICATION);
    passed = 0;
  }
  if (passed) return 1;
  copenssl_wire_clear(wire);
  wire->refusal = X509_STORE_CTX_get_error(store);
  wire->refusal_depth = depth;
  X509 *refused = X509_STORE_CTX_get_current_cert(store);
  if (refused != NULL && X509_up_ref(refused)) wire->refused = refused;
  if (leaf != NULL && X509_up_ref(leaf)) wire->leaf = leaf;
  return 0;
}

// Called when the server asks for a certificate, whether we have one or not.
static int asked_for_certificate(SSL *ssl, void *nothing) {
  (void)nothing;
  copenssl_wire *wire = SSL_get_ex_data(ssl, 0);
  if (wire != NULL) wire->was_asked_for_certificate = 1;
  return 1;
}

// Without it OpenSSL asks on the terminal, for a certificate that is under a password too.
static int no_password(char *text, int room, int writing, void *asked) {
  (void)text, (void)room, (void)writing;
  if (asked != NULL) *(int *)asked = 1;
  return -1;
}

void copenssl_harden(SSL_CTX *context) {
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, verified);
  SSL_CTX_set_cert_cb(context, asked_for_certificate, NULL);
  SSL_CTX_set_default_passwd_cb(context, no_password);
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  SSL_CTX_set_mode(context, SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  if (SSL_CTX_get_min_proto_version(context) < TLS1_2_VERSION) SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  if (SSL_CTX_get_security_level(context) < 2) SSL_CTX_set_security_level(context, 2);
}

// MARK: calls

// The queue is empty before each call, so that SSL_get_error does not see the fault of another connection.
int copenssl_handshake(SSL *ssl) {
  ERR_clear_error();
  int result = SSL_do_handshake(ssl);
  return result == 1 ? SSL_ERROR_NONE : SSL_get_error(ssl, result);
}

int copenssl_read(SSL *ssl, const copenssl_wire *wire, unsigned char *to, size_t room, size_t *count) {
  ERR_clear_error();
  *count = 0;
  while (*count < room) {
    // Spares the call that would only say so. Without read-ahead nothing waits undecrypted inside OpenSSL.
    if (wire->input_count == 0 && SSL_pending(ssl) == 0 && *count > 0) return SSL_ERROR_WANT_READ;
    size_t got = 0;
    int result = SSL_read_ex(ssl, to + *count, room - *count, &got);
    if (result != 1) return SSL_get_error(ssl, result);
    *count += got;
  }
  return SSL_ERROR_NONE;
}

int copenssl_write(SSL *ssl, const unsigned char *from, size_t length, size_t *count) {
  ERR_clear_error();
  *count = 0;
  int result = SSL_write_ex(ssl, from, length, count);
  return result == 1 ? SSL_ERROR_NONE : SSL_get_error(ssl, result);
}

int copenssl_set_server_name(SSL *ssl, const char *name) { return (int)SSL_set_tlsext_host_name(ssl, name); }

// MARK: errors

unsigned long copenssl_take_error(void) {
  unsigned long error = ERR_get_error();
  ERR_clear_error();
  return error;
}

int copenssl_is_ssl_error(unsigned long error, int reason) {
  return ERR_GET_LIB(error) == ERR_LIB_SSL && ERR_GET_REASON(error) == reason;
}

int copenssl_is_key_mismatch(unsigned long error) {
  return ERR_GET_LIB(error) == ERR_LIB_X509 && ERR_GET_REASON(error) == X509_R_KEY_VALUES_MISMATCH;
}

int copenssl_alert(unsigned long error) {
  if (ERR_GET_LIB(error) != ERR_LIB_SSL) return -1;
  int reason = ERR_GET_REASON(error) - SSL_AD_REASON_OFFSET;
  return reason >= 0 && reason <= 255 ? reason : -1;
}

// MARK: certificates

int copenssl_alternative_names(X509 *certificate, char *texts, int room, int *lengths, int shown) {
  GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
  int count = 0;
  for (int i = 0; names != NULL && i < sk_GENERAL_NAME_num(names); i++) {
    const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
    if (name->type != GEN_DNS && name->type != GEN_IPADD) continue;
    if (count++ >= shown) continue;
    const ASN1_STRING *string = name->type == GEN_DNS ? name->d.dNSName : name->d.iPAddress;
    const unsigned char *bytes = ASN1_STRING_get0_data(string);
    int length = ASN1_STRING_length(string);
    char address[INET6_ADDRSTRLEN] = "?";
    if (name->type == GEN_IPADD) {
      if (length == 4) inet_ntop(AF_INET, bytes, address, sizeof address);
      if (length == 16) inet_ntop(AF_INET6, bytes, address, sizeof address);
      bytes = (const unsigned char *)address;
      length = (int)strlen(address);
    }
    lengths[count - 1] = length;
    memcpy(texts + (size_t)(count - 1) * (size_t)room, bytes, (size_t)(length < room ? length : room));
  }
  GENERAL_NAMES_free(names);
  ERR_clear_error();
  return count;
}

void copenssl_name_text(const X509_NAME *name, char *text, int room) {
  text[0] = 0;
  BIO *bio = BIO_new(BIO_s_mem());
  if (bio == NULL) return;
  // BIO_gets writes at most room - 1 bytes and a NUL; the escaping leaves no line end inside.
  if (X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253) < 0 || BIO_gets(bio, text, room) < 0) text[0] = 0;
  BIO_free(bio);
}

int64_t copenssl_time(const ASN1_TIME *time) {
  struct tm fields;
  if (time == NULL || !ASN1_TIME_to_tm(time, &fields)) return INT64_MIN;
  return (int64_t)timegm(&fields);
}

// MARK: sessions and passwords

void copenssl_keep_sessions(SSL_CTX *context, int (*keep)(SSL *, SSL_SESSION *), void *owner) {
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL_STORE);
  SSL_CTX_set_ex_data(context, 0, owner);
  SSL_CTX_sess_set_new_cb(context, keep);
}

void *copenssl_owner(const SSL *ssl) { return SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), 0); }

int copenssl_use_key(SSL_CTX *context, const char *path) {
  int asked = 0;
  SSL_CTX_set_default_passwd_cb_userdata(context, &asked);
  int result = SSL_CTX_use_PrivateKey_file(context, path, SSL_FILETYPE_PEM);
  SSL_CTX_set_default_passwd_cb_userdata(context, NULL);
  return result == 1 ? 1 : asked ? -1 : 0;
}

// MARK: digests

int copenssl_sha1(const unsigned char *bytes, size_t count, unsigned char *digest) {
  return EVP_Digest(bytes, count, digest, NULL, EVP_sha1(), NULL);
}
