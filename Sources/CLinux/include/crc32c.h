// CRC-32C by the processor's own instruction, which Swift has no name for, where `clinux_crc32c_available`.
#ifndef CLINUX_CRC32C_H
#define CLINUX_CRC32C_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__x86_64__)

static inline bool clinux_crc32c_available(void) {
  return __builtin_cpu_supports("sse4.2");
}

__attribute__((target("sse4.2"))) static inline uint32_t
clinux_crc32c(uint32_t crc, const void *bytes, size_t count) {
  const unsigned char *next = (const unsigned char *)bytes;
  uint64_t value = crc;
  for (; count >= 8; count -= 8, next += 8) {
    uint64_t word;
    memcpy(&word, next, 8);
    value = __builtin_ia32_crc32di(value, word);
  }
  for (; count > 0; count--, next++) value = __builtin_ia32_crc32qi((uint32_t)value, *next);
  return (uint32_t)value;
}

// One word, and then two runs of bytes: a call for each would cost as much as the checksum of a short one.
__attribute__((target("sse4.2"))) static inline uint32_t
clinux_crc32c_of(uint64_t word, const void *head, size_t head_count, const void *body, size_t body_count) {
  uint32_t crc = (uint32_t)__builtin_ia32_crc32di(~UINT32_C(0), word);
  return ~clinux_crc32c(clinux_crc32c(crc, head, head_count), body, body_count);
}

#elif defined(__aarch64__)

#include <sys/auxv.h>

static inline bool clinux_crc32c_available(void) {
  static int known;  // 0: not asked yet; atomic, because two threads may ask at once
  int answer = __atomic_load_n(&known, __ATOMIC_RELAXED);
  if (answer == 0) {
    answer = (getauxval(AT_HWCAP) & (1UL << 7)) != 0 ? 1 : -1;  // HWCAP_CRC32
    __atomic_store_n(&known, answer, __ATOMIC_RELAXED);
  }
  return answer > 0;
}

__attribute__((target("crc"))) static inline uint32_t
clinux_crc32c(uint32_t crc, const void *bytes, size_t count) {
  const unsigned char *next = (const unsigned char *)bytes;
  for (; count >= 8; count -= 8, next += 8) {
    uint64_t word;
    memcpy(&word, next, 8);
    crc = __builtin_arm_crc32cd(crc, word);
  }
  for (; count > 0; count--, next++) crc = __builtin_arm_crc32cb(crc, *next);
  return crc;
}

// One word, and then two runs of bytes: a call for each would cost as much as the checksum of a short one.
__attribute__((target("crc"))) static inline uint32_t
clinux_crc32c_of(uint64_t word, const void *head, size_t head_count, const void *body, size_t body_count) {
  uint32_t crc = __builtin_arm_crc32cd(~UINT32_C(0), word);
  return ~clinux_crc32c(clinux_crc32c(crc, head, head_count), body, body_count);
}

#else
#error "openclaw-bus supports x86-64 and aarch64"
#endif

#endif
