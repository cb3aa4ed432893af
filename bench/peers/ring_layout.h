// The queue file's layout for the C programs that stand beside ours: Sources/Ring/QueueLayout.swift draws it and owns it.
#ifndef RING_LAYOUT_H
#define RING_LAYOUT_H

#define MAGIC 0x455545555142434FULL  // "OCBQUEUE", little-endian
#define VERSION 2
// Whether the checksum of a record begins with its position, as a word of eight bytes.
#define CHECKSUM_COVERS_POSITION 1

#define HEADER_BYTES 65536
#define HEADER_CHECKSUM 40
#define OLDEST 128
#define INTENT 136
#define PUBLISHED 192
#define SEQUENCE 200
#define SEQUENCE_CHECK 208

#define KIND_MESSAGE 1
#define KIND_POSITION 3
// Eight words, the payload up to a multiple of 8, the length of all.
#define RECORD_BYTES(payload) (64 + (((uint64_t)(payload) + 7) & ~UINT64_C(7)) + 8)

// A cursor file.
#define CURSOR_BYTES 128
#define CURSOR_NEXT 64

#endif
