// CRC-32C by the processor's own instructions, which Swift has no name for.
#ifndef CLINUX_CRC32C_H
#define CLINUX_CRC32C_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__x86_64__)

// The instruction takes one word a cycle, but its answer comes after three: one chain leaves it idle for two thirds
// of the time. So three lanes side by side, each a third of the bytes, and then joined: the same checksum, a third of
// the time (V. Gopal and others, "Fast CRC Computation for iSCSI Polynomial Using CRC32 Instruction", Intel 2011).
//
// To join: a lane's state `a` with m words after it counts as a(x) * x^(64 m) mod P. A word v through the instruction
// on state 0 gives v(x) * x^32 mod P. The product without carries of two reflected 32-bit values, read as a reflected
// word, is their product times x. So for k = x^(64 m - 33) mod P, the instruction on a * k gives what is wanted. The
// table has k for m = 1 to 64, reflected: x^31 is 1, and from one entry to the next x is multiplied in 64 times,
// which is each time v >> 1, with 0x82F63B78 added (as bits are, by exclusive or) where a one falls out.
static const uint32_t clinux_crc32c_shifts[64] = {
  0x00000001, 0x493C7D27, 0xF20C0DFE, 0xBA4FC28E, 0x3DA6D0CB, 0xDDC0152B, 0x1C291D04, 0x9E4ADDF8,
  0x740EEF02, 0x39D3B296, 0x083A6EEC, 0x0715CE53, 0xC49F4F67, 0x47DB8317, 0x2AD91C30, 0x0D3B6092,
  0x6992CEA2, 0xC96CFDC0, 0x7E908048, 0x878A92A7, 0x1B3D8F29, 0xDAECE73E, 0xF1D0F55E, 0xAB7AFF2A,
  0xA87AB8A8, 0x2162D385, 0x8462D800, 0x83348832, 0x71D111A8, 0x299847D5, 0xFFD852C6, 0xB9E02B86,
  0xDCB17AA4, 0x18B33A4E, 0xF37C5AEE, 0xB6DD949B, 0x6051D5A2, 0x78D9CCB7, 0x18B0D4FF, 0xBAC2FD7B,
  0x21F3D99C, 0xA60CE07B, 0x8F158014, 0xCE7F39F4, 0xA00457F7, 0x61D82E56, 0x8D6D2C43, 0xD270F1A2,
  0x00AC29CF, 0xC619809D, 0xE9ADF796, 0x2B3CAC5D, 0x96638B34, 0x65863B64, 0xE0E9F351, 0x1B03397F,
  0x9AF01F2D, 0xEBB883BD, 0x2CFF42CF, 0xB3E32C28, 0x88F25A3A, 0x064F7F26, 0x4E36F0B0, 0xDD7E3B0C,
};

// So that two lanes' shift is in the table.
static const size_t clinux_crc32c_longest_lane = 32;
// In words: what is shorter is not worth joining.
static const size_t clinux_crc32c_shortest_lane = 3;

static inline bool clinux_crc32c_available(void) { return __builtin_cpu_supports("sse4.2"); }

static inline bool clinux_crc32c_lanes_available(void) {
  return __builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("pclmul");
}

static inline uint64_t clinux_crc32c_word(const unsigned char *at) {
  uint64_t word;
  memcpy(&word, at, 8);
  return word;
}

__attribute__((target("sse4.2"))) static inline uint32_t
clinux_crc32c_chain(uint32_t crc, const void *bytes, size_t count) {
  const unsigned char *next = (const unsigned char *)bytes;
  uint64_t value = crc;
  for (; count >= 8; count -= 8, next += 8) value = __builtin_ia32_crc32di(value, clinux_crc32c_word(next));
  for (; count > 0; count--, next++) value = __builtin_ia32_crc32qi((uint32_t)value, *next);
  return (uint32_t)value;
}

typedef long long clinux_crc32c_pair __attribute__((vector_size(16)));

// The state after three lanes of so many words.
__attribute__((target("sse4.2,pclmul"))) static inline uint64_t
clinux_crc32c_joined(uint64_t a, uint64_t b, uint64_t c, size_t words) {
  const clinux_crc32c_pair lanes = {(long long)a, (long long)b};
  const clinux_crc32c_pair shifts = {clinux_crc32c_shifts[2 * words - 1], clinux_crc32c_shifts[words - 1]};
  const clinux_crc32c_pair sum = __builtin_ia32_pclmulqdq128(lanes, shifts, 0x00) ^
                                 __builtin_ia32_pclmulqdq128(lanes, shifts, 0x11);
  return __builtin_ia32_crc32di(0, (uint64_t)sum[0]) ^ c;
}

// How many words each lane has, where so many are left; 0 where they are too few.
static inline size_t clinux_crc32c_lane(size_t words) {
  const size_t lane = words / 3;
  if (lane < clinux_crc32c_shortest_lane) return 0;
  return lane < clinux_crc32c_longest_lane ? lane : clinux_crc32c_longest_lane;
}

// Only where clinux_crc32c_lanes_available.
__attribute__((target("sse4.2,pclmul"))) static inline uint32_t
clinux_crc32c_lanes(uint32_t crc, const void *bytes, size_t count) {
  const unsigned char *next = (const unsigned char *)bytes;
  uint64_t a = crc;
  for (size_t words; (words = clinux_crc32c_lane(count / 8)) > 0;) {
    const size_t lane = 8 * words;
    uint64_t b = 0, c = 0;
    for (size_t at = 0; at < lane; at += 8) {
      a = __builtin_ia32_crc32di(a, clinux_crc32c_word(next + at));
      b = __builtin_ia32_crc32di(b, clinux_crc32c_word(next + lane + at));
      c = __builtin_ia32_crc32di(c, clinux_crc32c_word(next + 2 * lane + at));
    }
    a = clinux_crc32c_joined(a, b, c, words);
    next += 3 * lane;
    count -= 3 * lane;
  }
  return clinux_crc32c_chain((uint32_t)a, next, count);
}

static inline uint32_t clinux_crc32c(uint32_t crc, const void *bytes, size_t count) {
  return clinux_crc32c_lanes_available() ? clinux_crc32c_lanes(crc, bytes, count)
                                         : clinux_crc32c_chain(crc, bytes, count);
}

// One word, and then two runs of bytes: a call for each would cost as much as the checksum of a short one.
__attribute__((target("sse4.2"))) static inline uint32_t
clinux_crc32c_of(uint64_t word, const void *head, size_t head_count, const void *body, size_t body_count) {
  const uint32_t crc = (uint32_t)__builtin_ia32_crc32di(~UINT32_C(0), word);
  return ~clinux_crc32c(clinux_crc32c_chain(crc, head, head_count), body, body_count);
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

// One chain: the lanes are for x86-64 alone.
__attribute__((target("crc"))) static inline uint32_t
clinux_crc32c_chain(uint32_t crc, const void *bytes, size_t count) {
  const unsigned char *next = (const unsigned char *)bytes;
  for (; count >= 8; count -= 8, next += 8) {
    uint64_t word;
    memcpy(&word, next, 8);
    crc = __builtin_arm_crc32cd(crc, word);
  }
  for (; count > 0; count--, next++) crc = __builtin_arm_crc32cb(crc, *next);
  return crc;
}

static inline uint32_t clinux_crc32c(uint32_t crc, const void *bytes, size_t count) {
  return clinux_crc32c_chain(crc, bytes, count);
}

// One word, and then two runs of bytes: a call for each would cost as much as the checksum of a short one.
__attribute__((target("crc"))) static inline uint32_t
clinux_crc32c_of(uint64_t word, const void *head, size_t head_count, const void *body, size_t body_count) {
  uint32_t crc = __builtin_arm_crc32cd(~UINT32_C(0), word);
  return ~clinux_crc32c_chain(clinux_crc32c_chain(crc, head, head_count), body, body_count);
}

#else
#error "openclaw-bus supports x86-64 and aarch64"
#endif

#endif
