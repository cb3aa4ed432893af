import Settings
import Terminal

let program = Program(
  "clawd", "the daemon of the message bus between agents",
  commands: [
    Command(
      "run", "run in the foreground and log to stderr",
      details: [
        "Without a redis_url the bus is local: the agents of this machine. With one, every daemon on the same Redis and "
          + "channel is on the same bus.",
        "SIGTERM and SIGINT stop it; what waits in the outbox keeps waiting. SIGHUP reads the configuration again.",
      ],
      examples: [
        Example("clawd run", "with the default configuration and state folder"),
        Example("UPSTASH_REDIS_URL=redis://localhost clawd run", "on the bus of a Redis"),
      ],
      settings: Setting.all,
      exitCodes: [
        .success, .usage, .badData, .unavailable, .inputOutput, .tryLater, .permission, .configuration,
      ])
  ],
  defaultCommand: "run")

program.main { (arguments, notes) throws(Failure) in try run(arguments, notes) }
