package io.leoam;

import java.util.Map;

/**
 * How a conversation becomes text.
 *
 * @param generationPrompt opens the assistant's turn at the end
 * @param variables further variables of the template: name and JSON value, ("enable_thinking", "false")
 */
public record ChatOptions(
    boolean generationPrompt,
    Map<String, String> variables) {
  /** Opens the assistant's turn, and has no variables. */
  public static final ChatOptions DEFAULT = new ChatOptions(true, Map.of());
}
