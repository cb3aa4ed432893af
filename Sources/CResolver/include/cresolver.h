// Name resolution that never blocks the caller: glibc's getaddrinfo_a(3), of which only plain types are shown.
// Its own declarations need _GNU_SOURCE, which would change types that Glibc's Swift module already has.
//
// Lifetime. glibc works on a request, and tells its end, on threads of its own, and cannot be made to stop. So a
// request has two owners, the caller and the notification, and goes with the later of them; the channel lives as long
// as its caller or any request. What the caller abandons is freed only after glibc is through with it.
#ifndef CRESOLVER_H
#define CRESOLVER_H

#include <stdint.h>

typedef struct cresolver_channel cresolver_channel;
typedef struct cresolver_request cresolver_request;

// What `cresolver_outcome` answers while the lookup is under way; errors (EAI_*) are negative, success is 0.
static const int32_t cresolver_running = 1;

// Takes ownership of a non-blocking eventfd, which becomes readable when lookups end. NULL: no memory, and the
// descriptor stays the caller's.
cresolver_channel *cresolver_channel_open(int32_t descriptor);
void cresolver_channel_close(cresolver_channel *channel);

// Starts to look up the stream addresses of `host`. NULL: it could not be started, and `code` says why.
cresolver_request *cresolver_start(cresolver_channel *channel, const char *host, uint16_t port, int32_t *code);
int32_t cresolver_outcome(const cresolver_request *request);

// After success: copies the next address, a struct sockaddr, and answers its size; 0 after the last. An address
// larger than `capacity` is passed over.
int32_t cresolver_next(cresolver_request *request, uint8_t *address, int32_t capacity);

// Gives the caller's share of the request back, finished or not.
void cresolver_release(cresolver_request *request);

// The text of an EAI_* code; static.
const char *cresolver_reason(int32_t code);

#endif
