import Terminal

enum Options {
  static let to = Option("to", "AGENT", help: "for this agent alone; without it the message is for all")
  static let re = Option("re", "ID-or-SEQ", help: "the message that this one answers; fills --to with its sender")
  static let sync = Option(flag: "sync", help: "wait until the message survives a crash of the machine")
  static let json = Option(flag: "json", help: "print the message as JSON instead of its id")
}

let program = Program(
  "clawsend", "send a message on the bus",
  commands: [
    Command(
      nil, "send TEXT as NAME and print the message's id",
      operands: "NAME TEXT...", operandCount: 1...Int.max,
      options: [Options.to, Options.re, Options.sync, Options.json],
      details: [
        "The words of the text are joined by a blank. Where the text is a single -, it is read from standard input, "
          + "less one final line end: the way for any text whatever.",
        "Exit 0 means that the message is in the outbox and is sent as soon as that is possible.",
      ],
      examples: [
        Example("clawsend elon Hello all", "to everyone"),
        Example("clawsend elon --to buffett -- --5% today", "a text that begins with a dash"),
        Example("echo \"$TEXT\" | clawsend elon -", "any text"),
        Example("clawsend elon --re 12 - <reply.txt", "answer message 12"),
      ],
      exitCodes: [
        .success, .usage, .badData, .noQueue, .inputOutput, .tryLater, .permission, .configuration,
      ])
  ],
  optionAdvice: "put -- before a text that begins with -, or give - and pass the text on stdin")

program.main { (arguments, notes) throws(Failure) in try send(arguments, notes) }
