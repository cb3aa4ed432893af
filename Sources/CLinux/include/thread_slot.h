// One pointer for each thread, which Swift has no word for. The function is `static inline`: every Swift module that calls it
// gets a slot of its own.
#ifndef CLINUX_THREAD_SLOT_H
#define CLINUX_THREAD_SLOT_H

static inline void *_Nullable *_Nonnull clinux_thread_slot(void) {
  static _Thread_local void *_Nullable slot;
  return &slot;
}

#endif
