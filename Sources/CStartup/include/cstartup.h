/* Nothing to call: see startup.c. */
