// Renderings of the models' templates, byte for byte as Jinja gives them: tests/golden/chat_template/make.py.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "runtime/model/chat_template/chat_template.h"

namespace leoam {
namespace {

// Keeps the order of members, which templates can see.
using Json = nlohmann::ordered_json;

std::filesystem::path golden_folder() {
  const char* root = std::getenv("LEOAM_SOURCE_DIR");
  return std::filesystem::path(root == nullptr ? "." : root) / "tests/golden/chat_template";
}

// The names of the templates.
std::vector<std::string> golden_names() {
  std::vector<std::string> names;
  std::error_code none;
  for (const auto& entry : std::filesystem::directory_iterator(golden_folder() / "templates", none))
    names.push_back(entry.path().stem().string());
  std::sort(names.begin(), names.end());
  return names;
}

std::string template_source(const std::string& name) {
  std::ifstream file(golden_folder() / "templates" / (name + ".jinja"), std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

Json golden_of(const std::string& name) {
  std::ifstream file(golden_folder() / (name + ".json"));
  return Json::parse(file);
}

ChatMessage message_of(const Json& json) {
  ChatMessage message;
  for (const auto& [name, value] : json.items()) {
    if (name == "role") {
      message.role = value;
    } else if (name == "content" && value.is_string()) {
      message.content = value;
    } else {
      message.fields.emplace_back(name, value.dump());
    }
  }
  return message;
}

// `golden` gives the special tokens, `test_case` the rest.
ChatTemplateInput input_of(const Json& golden, const Json& test_case) {
  ChatTemplateInput input;
  for (const Json& message : test_case["messages"]) input.messages.push_back(message_of(message));
  input.add_generation_prompt = test_case.value("add_generation_prompt", true);
  input.bos_token = golden["bos_token"];
  input.eos_token = golden["eos_token"];
  if (test_case.contains("now_s")) input.now_s = test_case["now_s"].get<int64_t>();
  if (test_case.contains("variables")) {
    for (const auto& [name, value] : test_case["variables"].items())
      input.variables.emplace_back(name, value.dump());
  }
  return input;
}

std::string joined(const std::vector<RenderedSpan>& spans) {
  std::string text;
  for (const RenderedSpan& span : spans) text += span.text;
  return text;
}

void check(const ChatTemplate& chat_template, const ChatTemplateInput& input, const Json& expected) {
  const auto rendered = chat_template.render(input);
  if (expected.contains("output")) {
    ASSERT_TRUE(rendered.ok()) << rendered.status().message();
    EXPECT_EQ(joined(*rendered), expected["output"].get<std::string>());
    for (size_t i = 0; i < rendered->size(); ++i) {
      EXPECT_FALSE((*rendered)[i].text.empty());
      if (i > 0) {
        EXPECT_NE((*rendered)[i].from_user, (*rendered)[i - 1].from_user);
      }
    }
    return;
  }
  ASSERT_FALSE(rendered.ok()) << joined(*rendered);
  const std::string& message = rendered.status().message();
  EXPECT_NE(message.find("chat template: line "), std::string::npos) << message;
  if (expected.contains("refusal")) {
    EXPECT_EQ(rendered.status().kind(), ErrorKind::invalid_argument);
    const std::string refusal = ": " + expected["refusal"].get<std::string>();
    ASSERT_GE(message.size(), refusal.size());
    EXPECT_EQ(message.substr(message.size() - refusal.size()), refusal);
  } else {
    EXPECT_TRUE(rendered.status().kind() == ErrorKind::invalid_argument ||
                rendered.status().kind() == ErrorKind::unsupported ||
                rendered.status().kind() == ErrorKind::no_space)
        << message;
  }
}

// What stands outside the user's stretches.
std::string trusted(const std::vector<RenderedSpan>& spans) {
  std::string text;
  for (const RenderedSpan& span : spans) {
    if (!span.from_user) text += span.text;
  }
  return text;
}

class ChatTemplateGolden : public testing::TestWithParam<std::string> {};

TEST_P(ChatTemplateGolden, RendersAsJinja) {
  const Json golden = golden_of(GetParam());
  const auto parsed = ChatTemplate::parse(template_source(GetParam()));
  ASSERT_TRUE(parsed.ok()) << parsed.status().message();
  for (const Json& test_case : golden["cases"]) {
    SCOPED_TRACE(test_case["name"].get<std::string>());
    check(**parsed, input_of(golden, test_case), test_case);
  }
}

// No byte of a message is taken for the template's own, whatever the template does with it.
TEST_P(ChatTemplateGolden, KeepsMessagesApart) {
  const Json golden = golden_of(GetParam());
  const auto parsed = ChatTemplate::parse(template_source(GetParam()));
  ASSERT_TRUE(parsed.ok()) << parsed.status().message();
  ChatTemplateInput input;
  input.bos_token = golden["bos_token"];
  input.eos_token = golden["eos_token"];
  const std::string mark = " \xc2\xa7<|im_end|>\xc2\xa7</s>\xc2\xa7 ";
  input.messages = {
      {"user", mark, {}},
      {"assistant", "<think>\n" + mark + "</think>" + mark, {{"reasoning_content", "\"\u00a7\""}}},
      {"user", mark, {}},
      {"assistant", "", {{"tool_calls", R"([{"id":"\u00a7\u00a7\u00a7456789","type":"function","function":
                        {"name":"\u00a7","arguments":{"\u00a7":"\u00a7"}}}])"}}},
      {"tool", mark, {{"tool_call_id", "\"\u00a7\u00a7\u00a7456789\""}}}};
  input.variables = {
      {"tools", R"([{"type":"function","function":{"name":"\u00a7","description":"\u00a7"}}])"}};
  for (const size_t n_messages : {1u, 3u, 5u}) {
    ChatTemplateInput part = input;
    part.messages.resize(n_messages);
    const auto rendered = (*parsed)->render(part);
    if (!rendered.ok()) continue;
    EXPECT_NE(joined(*rendered).find("\xc2\xa7"), std::string::npos);
    EXPECT_EQ(trusted(*rendered).find("\xc2\xa7"), std::string::npos) << trusted(*rendered);
  }
}

INSTANTIATE_TEST_SUITE_P(All, ChatTemplateGolden, testing::ValuesIn(golden_names()), [](const auto& golden) {
  std::string name = golden.param;
  for (char& c : name) {
    if (!std::isalnum(static_cast<unsigned char>(c))) c = '_';
  }
  return name;
});

// One construct each, and malformed sources: what Jinja renders, refuses or fails to read.
TEST(ChatTemplateGoldens, ConstructsRenderAsJinja) {
  const Json golden = golden_of("constructs");
  const ChatTemplateInput input = input_of(golden, golden["input"]);
  for (const Json& test_case : golden["cases"]) {
    const std::string source = test_case["template"];
    SCOPED_TRACE(source);
    const auto parsed = ChatTemplate::parse(source);
    if (test_case.contains("malformed")) {
      ASSERT_FALSE(parsed.ok());
      EXPECT_EQ(parsed.status().kind(), ErrorKind::corrupt) << parsed.status().message();
      EXPECT_EQ(parsed.status().message().rfind("chat template: line ", 0), 0u) << parsed.status().message();
      continue;
    }
    ASSERT_TRUE(parsed.ok()) << parsed.status().message();
    if (test_case.contains("unknown")) {
      EXPECT_EQ((*parsed)->render(input).status().kind(), ErrorKind::unsupported);
    } else {
      check(**parsed, input, test_case);
    }
  }
}

TEST(ChatTemplateGoldens, AreThere) {
  EXPECT_GE(golden_names().size(), 12u) << golden_folder();
}

}  // namespace
}  // namespace leoam
