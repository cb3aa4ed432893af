#define _GNU_SOURCE
#include "cresolver.h"

#include <netdb.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

struct cresolver_channel {
  int descriptor;
  int references;
};

struct cresolver_request {
  struct gaicb lookup;
  struct addrinfo hints;
  struct addrinfo *next;
  cresolver_channel *channel;
  int references;
  bool finished;
  char service[6];
  char host[];
};

// Acquire and release: whoever frees has seen all that the other owner did.
static bool is_last(int *references) { return __atomic_sub_fetch(references, 1, __ATOMIC_ACQ_REL) == 0; }

cresolver_channel *cresolver_channel_open(int32_t descriptor) {
  cresolver_channel *channel = malloc(sizeof *channel);
  if (channel == NULL) return NULL;
  channel->descriptor = descriptor;
  channel->references = 1;
  return channel;
}

void cresolver_channel_close(cresolver_channel *channel) {
  if (!is_last(&channel->references)) return;
  close(channel->descriptor);
  free(channel);
}

void cresolver_release(cresolver_request *request) {
  if (!is_last(&request->references)) return;
  if (request->lookup.ar_result != NULL) freeaddrinfo(request->lookup.ar_result);
  cresolver_channel_close(request->channel);
  free(request);
}

// Runs on a thread of glibc's, after its last touch of the request.
static void tell(union sigval value) {
  cresolver_request *request = value.sival_ptr;
  // Release: pairs with the acquire in `cresolver_outcome`.
  __atomic_store_n(&request->finished, true, __ATOMIC_RELEASE);
  // Fails only where 2^64 - 2 endings are untold, and then the descriptor is readable all the same.
  (void)!eventfd_write(request->channel->descriptor, 1);
  cresolver_release(request);
}

cresolver_request *cresolver_start(cresolver_channel *channel, const char *host, uint16_t port, int32_t *code) {
  size_t length = strlen(host) + 1;
  cresolver_request *request = calloc(1, sizeof *request + length);
  if (request == NULL) {
    *code = EAI_MEMORY;
    return NULL;
  }
  memcpy(request->host, host, length);
  snprintf(request->service, sizeof request->service, "%u", (unsigned)port);
  request->hints.ai_socktype = SOCK_STREAM;
  request->hints.ai_flags = AI_NUMERICSERV;
  request->lookup.ar_name = request->host;
  request->lookup.ar_service = request->service;
  request->lookup.ar_request = &request->hints;
  request->channel = channel;
  __atomic_add_fetch(&channel->references, 1, __ATOMIC_RELAXED);
  request->references = 2;

  struct gaicb *list[] = {&request->lookup};
  struct sigevent event = {.sigev_notify = SIGEV_THREAD, .sigev_notify_function = tell};
  event.sigev_value.sival_ptr = request;
  *code = getaddrinfo_a(GAI_NOWAIT, list, 1, &event);
  if (*code == 0) return request;
  // Whether glibc will still touch the request, and tell, depends on where it failed. Out of memory as it is, the
  // notification's share is left standing: freed where it comes, leaked where it does not.
  cresolver_release(request);
  return NULL;
}

int32_t cresolver_outcome(const cresolver_request *request) {
  if (!__atomic_load_n(&request->finished, __ATOMIC_ACQUIRE)) return cresolver_running;
  return gai_error((struct gaicb *)&request->lookup);
}

int32_t cresolver_next(cresolver_request *request, uint8_t *address, int32_t capacity) {
  struct addrinfo *next = request->next == NULL ? request->lookup.ar_result : request->next->ai_next;
  while (next != NULL) {
    request->next = next;
    if (next->ai_addrlen > 0 && next->ai_addrlen <= (socklen_t)capacity) {
      memcpy(address, next->ai_addr, next->ai_addrlen);
      return (int32_t)next->ai_addrlen;
    }
    next = next->ai_next;
  }
  return 0;
}

const char *cresolver_reason(int32_t code) { return gai_strerror(code); }
