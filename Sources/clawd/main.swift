import Settings
import Setup
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
      ]),
    Command(
      "init", "take the Redis URL, try it, and store it",
      options: [InitOption.unchecked],
      details: [
        "At a terminal it asks; else it reads standard input, and where nothing stands there takes the URL that it finds "
          + "in $UPSTASH_REDIS_URL, in the configuration or in the service of the Python version. Quotes, blanks and the whole redis-cli line of a "
          + "provider are understood, and the URL is never shown.",
        "It is stored in the configuration file (0600), with all else in it kept, and only after Redis has answered.",
      ],
      examples: [
        Example("clawd init", "asks for the URL"),
        Example("printf '%s' \"$URL\" | clawd init", "in a script"),
        Example("echo local | clawd init", "to work without Redis, and mean it"),
      ],
      exitCodes: [.success, .usage, .badData, .unavailable, .inputOutput, .permission, .configuration]),
    Command(
      "config", "show every setting in force, where it comes from, and how Redis is",
      options: [ConfigOption.json],
      details: [
        "Secrets are shown as ***. It ends with 0 also where Redis does not answer: that is what it says then."
      ],
      examples: [
        Example("clawd config", "what clawd would run with, started from here"),
        Example("clawd config --json", "for programs"),
      ],
      exitCodes: [.success, .usage, .inputOutput, .configuration]),
    Command(
      "skill", "install: tell OpenClaw's agents how to use the bus", operands: "install", operandCount: 1...1,
      options: [SkillOption.workspace, SkillOption.force],
      details: [
        "Writes skills/openclaw-bus/SKILL.md into OpenClaw's folder ($OPENCLAW_STATE_DIR, else ~/.openclaw), or into an "
          + "agent's workspace. Where the gateway would not find clawq and clawsend, their whole paths stand in it."
      ],
      examples: [
        Example("clawd skill install", "for all agents"),
        Example("clawd skill install --workspace ~/.openclaw/workspace", "for the agent of that workspace"),
      ],
      exitCodes: [.success, .usage, .badData, .noQueue, .inputOutput, .permission, .configuration]),
  ],
  defaultCommand: "run")

program.main { (arguments, notes) throws(Failure) in
  switch arguments.command {
  case "init": try initialise(arguments, notes)
  case "config": try showConfiguration(arguments, notes)
  case "skill": try installSkill(arguments, notes)
  default: try run(arguments, notes)
  }
}
