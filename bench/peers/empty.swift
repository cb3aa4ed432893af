// The floor under every Swift program here: one that does nothing.
