#include "runtime/model/chat_template/chat_template.h"

#include <algorithm>

#include "runtime/model/chat_template/evaluator.h"
#include "runtime/model/chat_template/json.h"
#include "runtime/model/chat_template/parser.h"

namespace leoam {
namespace {

using chat::Text;
using chat::Value;

constexpr uint32_t kDeepest = 256;
constexpr uint32_t kEvaluationDepths = 3;

// A role that could not spell a special token by itself.
bool is_plain_role(std::string_view role) {
  return std::all_of(role.begin(), role.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  });
}

Result<Value> read_member(chat::Budget& budget, const std::pair<std::string, std::string>& member) {
  auto value = chat::read_json(budget, member.second);
  if (!value.ok())
    return std::move(value).status().with_context(fmt::format("the JSON of '{}'", member.first));
  return value;
}

Result<Value> message_value(chat::Budget& budget, const ChatMessage& message) {
  std::vector<std::pair<Value, Value>> members;
  members.emplace_back(Text("role"), Text(message.role, !is_plain_role(message.role)));
  members.emplace_back(Text("content"), Text(message.content, true));
  for (const auto& field : message.fields) {
    LEOAM_ASSIGN_OR_RETURN(Value value, read_member(budget, field));
    members.emplace_back(Text(field.first, true), std::move(value));
  }
  return chat::make_dict(budget, std::move(members));
}

Result<Value> messages_value(chat::Budget& budget, const std::vector<ChatMessage>& messages) {
  chat::ListBuilder list(budget);
  for (size_t i = 0; i < messages.size(); ++i) {
    auto message = message_value(budget, messages[i]);
    if (!message.ok()) return std::move(message).status().with_context(fmt::format("message {}", i));
    LEOAM_RETURN_IF_ERROR(list.add(std::move(*message)));
  }
  return list.finish();
}

void define_functions(chat::Evaluator& evaluator, bool has_date) {
  for (const std::string_view name : {"raise_exception", "range", "dict", "namespace", "strftime_now"}) {
    if (name == "strftime_now" && !has_date) continue;
    auto callable = std::make_shared<chat::Callable>();
    callable->global = chat::find_global(name);
    evaluator.define(name, Value(std::shared_ptr<const chat::Callable>(std::move(callable))));
  }
}

class ParsedChatTemplate final : public ChatTemplate {
 public:
  ParsedChatTemplate(chat::Syntax syntax, const ChatTemplateLimits& limits)
      : syntax_(std::move(syntax)), limits_(limits) {}

  Result<std::vector<RenderedSpan>> render(const ChatTemplateInput& input) const override {
    // Values give back what they hold to the budget, so it outlives them all.
    chat::Budget budget(limits_.steps, limits_.memory_bytes, limits_.depth);
    chat::Context context(budget);
    chat::Evaluator evaluator(syntax_, context, kEvaluationDepths * limits_.depth, limits_.output_bytes);
    const Status defined = define_input(evaluator, context, input);
    if (!defined.ok()) return defined.clone().with_context("chat template");
    auto rendered = evaluator.render();
    if (!rendered.ok()) {
      return std::move(rendered).status().with_context(
          fmt::format("chat template: line {}", evaluator.line()));
    }
    std::vector<RenderedSpan> spans;
    rendered->for_each_run([&spans](std::string_view text, bool from_user) {
      spans.push_back({std::string(text), from_user});
    });
    return spans;
  }

 private:
  static Status define_input(chat::Evaluator& evaluator, chat::Context& context,
                             const ChatTemplateInput& input) {
    for (const auto& variable : input.variables) {
      if (variable.first != "date_string") continue;
      LEOAM_ASSIGN_OR_RETURN(const Value date, read_member(context.budget, variable));
      if (date.is_text()) context.date_string = date.text();
    }
    context.now_s = input.now_s;
    define_functions(evaluator, context.now_s || context.date_string);
    LEOAM_ASSIGN_OR_RETURN(Value messages, messages_value(context.budget, input.messages));
    evaluator.define("messages", std::move(messages));
    evaluator.define("add_generation_prompt", Value(input.add_generation_prompt));
    evaluator.define("bos_token", Value(Text(input.bos_token)));
    evaluator.define("eos_token", Value(Text(input.eos_token)));
    evaluator.define("tools", chat::None{});
    evaluator.define("documents", chat::None{});
    for (const auto& variable : input.variables) {
      LEOAM_ASSIGN_OR_RETURN(Value value, read_member(context.budget, variable));
      evaluator.define(variable.first, std::move(value));
    }
    return {};
  }

  chat::Syntax syntax_;
  ChatTemplateLimits limits_;
};

}  // namespace

Result<std::unique_ptr<ChatTemplate>> ChatTemplate::parse(std::string_view source,
                                                          const ChatTemplateLimits& limits) {
  if (source.size() > limits.source_bytes) {
    return Status::no_space(
        fmt::format("chat template: {} bytes, at most {} are allowed", source.size(), limits.source_bytes),
        source.size(), limits.source_bytes);
  }
  ChatTemplateLimits bounded = limits;
  bounded.depth = std::min(limits.depth, kDeepest);
  auto syntax = chat::Parser(source, bounded.depth).parse();
  if (!syntax.ok()) return std::move(syntax).status().with_context("chat template");
  return std::unique_ptr<ChatTemplate>(new ParsedChatTemplate(std::move(*syntax), bounded));
}

}  // namespace leoam
