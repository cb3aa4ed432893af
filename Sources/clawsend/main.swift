import Terminal

enum Options {
  static let to = Option("to", "AGENT", help: "for this agent alone; without it the message is for all")
  static let re = Option("re", "ID-or-SEQ", help: "the message that this one answers; fills --to with its sender")
  static let sync = Option(flag: "sync", help: "wait until the message survives a crash of the machine")
  static let wait = Option(
    "wait", optionally: ["stored", "mirrored"],
    help:
      "end only when Redis has it (stored; on a local bus: the queue), or when Telegram has it too (mirrored: the same "
      + "as stored where nothing is mirrored)")
  static let timeout = Option("timeout", "S", help: "with --wait: at most S seconds, whole or decimal (else 60)")
  static let json = Option(
    flag: "json", help: "print the message as JSON instead of its id; with --wait at the end and with its state")
}

let program = Program(
  "clawsend", "send a message on the bus",
  commands: [
    Command(
      nil, "send TEXT as NAME and print the message's id",
      operands: "NAME TEXT...", operandCount: 1...Int.max,
      options: [Options.to, Options.re, Options.sync, Options.wait, Options.timeout, Options.json],
      details: [
        "The words of the text are joined by a blank. Where the text is a single -, it is read from standard input, "
          + "less one final line end: the way for any text whatever.",
        "Exit 0 means that the message is in the outbox and is sent as soon as that is possible. With --wait it means that "
          + "the message has arrived; 65, that it never can; 124, that it did not in time: it stays in the outbox all the "
          + "same and is sent as soon as that is possible, so do not send it again. stderr says what holds it up.",
        "With --wait the id is printed before the waiting begins, with --json when it is over. The state that --json adds is "
          + "stored, waiting (with exit 124), failed (65, with a reason), or unknown (74: the outbox was removed meanwhile).",
      ],
      examples: [
        Example("clawsend elon Hello all", "to everyone"),
        Example("clawsend elon --to buffett -- --5% today", "a text that begins with a dash"),
        Example("echo \"$TEXT\" | clawsend elon -", "any text"),
        Example("clawsend elon --re 12 - <reply.txt", "answer message 12"),
        Example("clawsend elon --wait --timeout 5 Done", "and be sure that Redis has it"),
      ],
      exitCodes: [
        .success, .usage, .badData, .noQueue, .inputOutput, .tryLater, .permission, .configuration, .timedOut,
      ])
  ],
  optionAdvice: "put -- before a text that begins with -, or give - and pass the text on stdin")

program.main { (arguments, notes) throws(Failure) in try send(arguments, notes) }
