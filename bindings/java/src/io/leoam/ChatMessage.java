package io.leoam;

/**
 * One message of a conversation.
 *
 * @param role "system", "user", "assistant", "tool"
 * @param content what it says
 */
public record ChatMessage(
    String role,
    String content) {
  /** An instruction for the whole conversation. */
  public static ChatMessage system(String content) {
    return new ChatMessage("system", content);
  }

  /** What the user says. */
  public static ChatMessage user(String content) {
    return new ChatMessage("user", content);
  }

  /** What the model has said. */
  public static ChatMessage assistant(String content) {
    return new ChatMessage("assistant", content);
  }
}
