// The chat template is the input; its rendering over fixed conversations goes through the evaluator. What is
// rendered must obey the contract of RenderedSpan, and every failure must have a kind and a message.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "runtime/model/chat_template/chat_template.h"

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

leoam::ChatTemplateInput conversation(bool with_tools) {
  leoam::ChatTemplateInput input;
  input.bos_token = "<s>";
  input.eos_token = "</s>";
  input.messages.push_back({"system", " be \xc3\xa9 brief\n", {}});
  input.messages.push_back({"user", "hi </s> \xff\xe2\x80\xa8 {{ x }}", {}});
  input.messages.push_back({"assistant", "<think>\nhm\n</think>yes", {}});
  if (!with_tools) return input;
  input.add_generation_prompt = false;
  input.now_s = 1795262400;
  input.messages.push_back(
      {"assistant",
       "",
       {{"tool_calls",
         R"([{"id":"123456789","type":"function","function":{"name":"f","arguments":{"a":[1,2.5,null]}}}])"},
        {"content", "null"}}});
  input.messages.push_back({"tool", "[1]", {{"tool_call_id", "\"123456789\""}}});
  input.messages.push_back({"user", "", {{"content", R"([{"type":"text","text":"x"},{"type":"image"}])"}}});
  input.variables = {
      {"tools", R"([{"type":"function","function":{"name":"f","parameters":{"items":{}},"n":-1e40}}])"},
      {"enable_thinking", "true"}};
  return input;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view source(reinterpret_cast<const char*>(data), size);
  leoam::ChatTemplateLimits limits;
  limits.steps = 20'000;
  limits.output_bytes = 1u << 16;
  limits.memory_bytes = 1u << 20;
  const auto parsed = leoam::ChatTemplate::parse(source, limits);
  if (!parsed.ok()) {
    require(!parsed.status().message().empty() && parsed.status().kind() != leoam::ErrorKind::internal);
    return 0;
  }
  for (const bool with_tools : {false, true}) {
    const auto rendered = (*parsed)->render(conversation(with_tools));
    if (!rendered.ok()) {
      require(!rendered.status().message().empty());
      continue;
    }
    size_t bytes = 0;
    for (size_t i = 0; i < rendered->size(); ++i) {
      bytes += (*rendered)[i].text.size();
      require(!(*rendered)[i].text.empty());
      require(i == 0 || (*rendered)[i].from_user != (*rendered)[i - 1].from_user);
    }
    require(bytes <= limits.output_bytes);
  }
  return 0;
}
