/// What notices in Telegram are written in; the raw values are those of the configuration.
package enum Language: String, Sendable {
  /// By `LC_ALL`, `LC_MESSAGES`, `LANG`, the first that is set: Chinese where it begins with `zh`.
  case auto
  case english = "en"
  case chinese = "zh"
}
